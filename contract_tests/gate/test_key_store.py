"""The authorities that Java trusts, as Java itself reads them."""

import shutil
import subprocess
from pathlib import Path

import pytest
import trustme

from botproof.targets.key_store import KEY_STORE, key_store


def test_java_finds_each_authority_in_it(tmp_path: Path) -> None:
    if shutil.which("keytool") is None:
        pytest.skip("there is no Java here")
    made = [trustme.CA(), trustme.CA(key_type=trustme.KeyType.RSA)]
    bundle = "# a comment\n".join(each.cert_pem.bytes().decode() for each in made)
    file = tmp_path / KEY_STORE
    file.write_bytes(key_store(bundle))
    command = ("keytool", "-list", "-keystore", str(file), "-storepass", "changeit")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "contains 2 entries" in done.stdout
    assert done.stdout.count("trustedCertEntry") == 2
