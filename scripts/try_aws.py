"""Tries what is in deploy/aws against moto, which stands in for AWS on 127.0.0.1: `nox -s aws`.

moto keeps what it is given, and hands it back; it evaluates no alarm, and starts no instance. So
alarms are evaluated here, by the documented rules, on the figures that moto hands back. What only
an account can show is said in the head of each template.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
from cfnlint.decode import cfn_yaml
from moto.server import ThreadedMotoServer

ROOT = Path(__file__).parents[1]
AWS = ROOT / "deploy" / "aws"
BIN = Path(sys.executable).parent
sys.path.insert(0, str(ROOT))
from botproof.watch.rules import by_name  # noqa: E402 - found by the line above
from botproof.watch.settings import read_env_file  # noqa: E402

PERIODS = 40


def environment(url: str) -> dict[str, str]:
    return {
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "HOME": os.environ.get("HOME", "/"),
        "AWS_CONFIG_FILE": os.devnull,  # nobody's own settings
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }


@contextlib.contextmanager
def moto() -> Iterator[dict[str, str]]:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield environment(f"http://{host}:{port}")
    finally:
        server.stop()


def check(what: str, found: object, wanted: object = True) -> None:
    if found != wanted:
        sys.exit(f"FAIL {what}: {found!r}, not {wanted!r}")
    print(f"ok   {what}", flush=True)


def client(name: str, env: dict[str, str]) -> Any:
    return boto3.client(
        name,
        endpoint_url=env["AWS_ENDPOINT_URL"],
        region_name="us-east-1",
        aws_access_key_id="testing",
        aws_secret_access_key="testing",  # noqa: S106 - moto takes any
    )


def run(env: dict[str, str], *words: str, wanted: int = 0) -> str:
    done = subprocess.run(words, env=env, capture_output=True, text=True, check=False, timeout=300)
    if done.returncode != wanted:
        sys.exit(f"FAIL {words}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def stack(env: dict[str, str], name: str, file: Path, **parameters: str) -> dict[str, str]:
    """Make it; its outputs and the ids of its resources, by their names."""
    formation = client("cloudformation", env)
    formation.create_stack(
        StackName=name,
        # moto does not have Canonical's parameter with the newest image.
        TemplateBody=re.sub(r"/aws/service/canonical/\S+", "/image", file.read_text()),
        Capabilities=["CAPABILITY_IAM"],
        Parameters=[{"ParameterKey": k, "ParameterValue": v} for k, v in parameters.items()],
    )
    [made] = formation.describe_stacks(StackName=name)["Stacks"]
    check(f"{file.name} is made ({name})", made["StackStatus"], "CREATE_COMPLETE")
    outputs = {o["OutputKey"]: o["OutputValue"] for o in made.get("Outputs", ())}
    resources = formation.describe_stack_resources(StackName=name)["StackResources"]
    return outputs | {
        r["LogicalResourceId"]: r["PhysicalResourceId"]
        for r in resources
        if "LogicalResourceId" in r  # not for what moto does not make: the bucket's policy
    }


def try_fleet(env: dict[str, str]) -> dict[str, str]:
    ec2 = client("ec2", env)
    vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    subnet = ec2.describe_subnets()["Subnets"][0]["SubnetId"]
    common = {"VpcId": vpc, "SubnetId": subnet, "OperatorEmail": "operator@example.com"}
    image = ec2.describe_images()["Images"][0]["ImageId"]
    client("ssm", env).put_parameter(Name="/image", Value=image, Type="String")
    made = stack(env, "polling", AWS / "fleet.yaml", **common)
    other = stack(env, "webhook", AWS / "fleet.yaml", Mode="webhook", **common)
    for name, stacked, doors in (("polling", made, 0), ("webhook", other, 3)):
        [group] = ec2.describe_security_groups(GroupIds=[stacked["Door"]])["SecurityGroups"]
        open_ = [r["CidrIp"] for p in group["IpPermissions"] for r in p["IpRanges"]]
        check(f"in {name} mode {doors} ranges may come in", len(open_), doors)
        ports = {p.get("FromPort") for p in group["IpPermissions"]}
        check(f"in {name} mode nobody gets to port 22", ports & {22, None}, set())
    s3 = client("s3", env)
    bucket = made["Bucket"]
    rules = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    kind = rules[0]["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"]
    check("backups are encrypted", kind, "AES256")
    # moto keeps neither versions nor rights from a template, so that these are read in it.
    resources = cfn_yaml.load(str(AWS / "fleet.yaml"))["Resources"]
    backups = resources["Backups"]["Properties"]
    check("backups are versioned", backups["VersioningConfiguration"]["Status"], "Enabled")
    check("backups are never public", all(backups["PublicAccessBlockConfiguration"].values()))
    [policy] = resources["Role"]["Properties"]["Policies"]
    statements = policy["PolicyDocument"]["Statement"]
    actions = {action for each in statements for action in each["Action"]}
    check("the role may delete nothing", [a for a in actions if "Delete" in a or "*" in a], [])
    wide = {
        a for s in statements if s["Resource"] == "*" and "Condition" not in s for a in s["Action"]
    }
    check("only what knows no resource is allowed on all", wide, {"ecr:GetAuthorizationToken"})
    return made


def has_compose(env: dict[str, str]) -> bool:
    docker = shutil.which("docker")
    if docker is not None:
        asked = [docker, "compose", "version"]
        if subprocess.run(asked, env=env, capture_output=True, check=False).returncode == 0:
            return True
    print("left out: what Compose reads from the env file; there is no `docker compose`")
    return False


def try_settings(env: dict[str, str], work: Path) -> None:
    ssm = client("ssm", env)
    values = {
        "TELEGRAM_BOT_TOKEN": "42:AAExampleExampleExampleExampleExample",
        "WEBHOOK_SECRET": "a$b#c d",
        "TELEGRAM_ALLOWED_USERS": "1,-100",
    }
    values |= {f"EXTRA_{number}": str(number) for number in range(12)}  # more than one page of ten
    for name, value in values.items():
        ssm.put_parameter(Name=f"/market-bot/prod/{name}", Value=value, Type="SecureString")
    script, file = str(AWS / "env-from-ssm.sh"), work / "env"
    run(env, script, "/market-bot/prod", str(file))
    check("every parameter is in the env file", read_env_file(file), values)
    check("the env file is its owner's alone", oct(file.stat().st_mode & 0o777), "0o600")
    if has_compose(env):
        (work / "compose.yaml").write_text("services: {a: {image: x, env_file: [env]}}")
        shown = run(env, "docker", "compose", "-f", str(work / "compose.yaml"), "config")
        check("Compose reads the same from it", "a$$b#c d" in shown or "a$b#c d" in shown)
    before = file.read_text()
    said = run(env, script, "/nothing/here", str(file), wanted=1)
    check("without parameters the old file stays", file.read_text(), before)
    check("and it says why", "there is no parameter below this path" in said)


def try_backup(env: dict[str, str], bucket: str, work: Path) -> None:
    folder = work / "data"
    folder.mkdir()
    env = env | {"BUCKET": bucket}
    back, restore = str(AWS / "backup.sh"), str(AWS / "restore.sh")
    said = run(env, restore, str(work / "early"), wanted=1)
    check("a drill without a backup fails and says so", "there is no backup" in said)
    with contextlib.closing(sqlite3.connect(folder / "inbox.sqlite3")) as inbox:
        inbox.execute("PRAGMA journal_mode = WAL")
        inbox.execute("CREATE TABLE updates (seq INTEGER PRIMARY KEY, payload TEXT)")
        inbox.executemany("INSERT INTO updates (payload) VALUES (?)", [("x",)] * 1000)
        inbox.commit()
        inbox.execute("INSERT INTO updates (payload) VALUES ('not committed')")
        run(env, back, str(folder))  # while the bot writes
    said = run(env, restore, str(work / "drill"))
    check("a drill restores what was committed", "inbox.sqlite3: sound; 1000 updates" in said)
    run(env, restore, str(work / "drill"), wanted=1)
    check("a folder that is not empty is left alone", True)
    (folder / "inbox.sqlite3").write_bytes(b"SQLite format 3\0" + b"broken" * 500)
    run(env, back, str(folder), wanted=1)
    kept = client("s3", env).list_objects_v2(Bucket=bucket, Prefix="backup/")["Contents"]
    check("a database that is broken replaces no backup", len(kept), 1)


def state_of(alarm: Any, points: dict[datetime, float], now: datetime) -> str:
    """The alarm's state by CloudWatch's rules, on the last periods before `now`."""
    beyond = {
        "GreaterThanThreshold": lambda value: value > alarm["Threshold"],
        "LessThanThreshold": lambda value: value < alarm["Threshold"],
    }[alarm["ComparisonOperator"]]
    period = timedelta(seconds=alarm["Period"])
    bad = []
    for number in range(1, alarm["EvaluationPeriods"] + 1):
        value = points.get(now - number * period)
        missing = {"breaching": True, "notBreaching": False}.get(alarm["TreatMissingData"])
        bad.append(missing if value is None else beyond(value))
    if all(each is None for each in bad):
        return "INSUFFICIENT_DATA"
    return "ALARM" if all(each is not False for each in bad) else "OK"


def read_back(watch: Any, alarm: Any, begin: datetime, end: datetime) -> dict[datetime, float]:
    found = watch.get_metric_statistics(
        Namespace=alarm["Namespace"],
        MetricName=alarm["MetricName"],
        Dimensions=alarm["Dimensions"],
        StartTime=begin,
        EndTime=end,
        Period=alarm["Period"],
        Statistics=[alarm["Statistic"]],
    )["Datapoints"]
    return {point["Timestamp"]: point[alarm["Statistic"]] for point in found}


def try_alarms(env: dict[str, str], made: dict[str, str]) -> None:
    # moto makes no alarms from templates: each goes in by the call that CloudFormation would make.
    watch = client("cloudwatch", env)
    text = (AWS / "alarms.json").read_text()
    for name in ("Topic", "InstanceId"):
        text = re.sub(rf'\{{\s*"Ref": "{name}"\s*\}}', json.dumps(made[name]), text)
    for name, resource in json.loads(text)["Resources"].items():
        watch.put_metric_alarm(AlarmName=name, **resource["Properties"])
    alarms = watch.describe_alarms()["MetricAlarms"]
    check("there are as many alarms as cost nothing", len(alarms), 10)
    limits = by_name()
    check(
        "an alarm has the watch's limit",
        100 * limits["disk"].limit in {a["Threshold"] for a in alarms},
    )
    second = timedelta(seconds=1)
    for alarm in alarms:
        period = alarm["Period"]
        seconds = int(datetime.now(UTC).timestamp()) // period * period
        now = datetime.fromtimestamp(seconds, UTC)
        begin = now - PERIODS * timedelta(seconds=period)
        below = alarm["ComparisonOperator"] == "LessThanThreshold"
        bad = alarm["Threshold"] + (-1 if below else 1)
        good = alarm["Threshold"] + (1 if below else -1)
        turn = now - alarm["EvaluationPeriods"] * timedelta(seconds=period)
        # A name of its own for each alarm: memory and memory_critical look at the same metric.
        mine = alarm | {
            "Namespace": f"{alarm['Namespace'].removeprefix('AWS/')}-{alarm['AlarmName']}"
        }
        figure = {"MetricName": alarm["MetricName"], "Dimensions": alarm["Dimensions"]}
        for number in range(PERIODS):
            at = begin + number * timedelta(seconds=period)
            value = bad if at >= turn else good
            data = [figure | {"Timestamp": at + second, "Value": value}]
            watch.put_metric_data(Namespace=mine["Namespace"], MetricData=data)
        points = read_back(watch, mine, begin, now)
        points = {at.replace(second=0): value for at, value in points.items()}
        name = alarm["AlarmName"]
        check(
            f"{name}: quiet before its time",
            state_of(alarm, points, now - timedelta(seconds=period)),
            "OK",
        )
        check(f"{name}: raised in its time", state_of(alarm, points, now), "ALARM")


def main() -> int:
    templates = [str(path) for path in (*AWS.glob("*.yaml"), AWS / "alarms.json")]
    said = run({"PATH": os.environ["PATH"]}, str(BIN / "cfn-lint"), *templates)
    check("cfn-lint has nothing to say", said, "")
    with moto() as env, tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        made = try_fleet(env)
        try_settings(env, work)
        try_backup(env, made["Bucket"], work)
        try_alarms(env, made)
    return 0


if __name__ == "__main__":
    sys.exit(main())
