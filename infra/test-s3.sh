#!/bin/sh
# A real S3 server for the tests, on 127.0.0.1 alone: a Ceph of one monitor, one OSD and one gateway, from Debian's packages, which are
# installed where they are missing and this runs as root. Stays in the foreground; prints "ready" when the gateway answers, and ends
# with its three daemons when its standard input closes or a signal comes.
# usage: infra/test-s3.sh DIR GATEWAY_PORT MONITOR_PORT    everything is below DIR, which must be empty; infra/test-s3.sh --install
# environment: S3_TEST_STORE=bluestore   objects in a sparse file below DIR; without it in memory (up to 2 GiB)
#              S3_TEST_TLS="PORT CERTIFICATE KEY"   the gateway also speaks TLS, at that port, with these files
# keys of the one user: AWS_ACCESS_KEY_ID=rainbow-test, AWS_SECRET_ACCESS_KEY=rainbow-test-secret
# exit code 3: the packages are missing and cannot be installed here
set -u

PACKAGES="ceph-mon ceph-osd ceph-common radosgw"
PATH=$PATH:/usr/sbin:/sbin

has_ceph() {
  for program in ceph ceph-mon ceph-osd monmaptool radosgw radosgw-admin; do command -v "$program" >/dev/null 2>&1 || return 1; done
}

install_ceph() {
  has_ceph && return
  if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null 2>&1; then
    echo "Ceph is not installed, and only root can, with apt: $PACKAGES" >&2
    exit 3
  fi
  echo "installing with apt-get: $PACKAGES" >&2
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq -o DPkg::Lock::Timeout=300 >&2
  # shellcheck disable=SC2086
  apt-get install -y -qq -o DPkg::Lock::Timeout=300 --no-install-recommends $PACKAGES >/dev/null 2>&1
  has_ceph && return
  echo "Ceph could not be installed with apt: $PACKAGES" >&2
  exit 3
}

install_ceph
[ "${1:-}" = --install ] && exit 0
[ $# -eq 3 ] || { echo "usage: $0 DIR GATEWAY_PORT MONITOR_PORT" >&2; exit 2; }
gateway_port=$2 monitor_port=$3
mkdir -p "$1" && cd "$1" || exit 1
dir=$(pwd)
# shellcheck disable=SC2086
set -- ${S3_TEST_TLS:-}
secure=${1:+ssl_endpoint=127.0.0.1:$1 ssl_certificate=$2 ssl_private_key=$3}
fsid=$(cat /proc/sys/kernel/random/uuid)
osd=$(cat /proc/sys/kernel/random/uuid)

# One copy of everything, few placement groups, nothing that waits for a second machine or writes outside of DIR.
cat >ceph.conf <<END
[global]
fsid = $fsid
mon_host = v2:127.0.0.1:$monitor_port
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
ms_bind_msgr1 = false
keyring = $dir/keyring
admin_socket =
run_dir = $dir
crash_dir = $dir
log_file = $dir/\$name.log
mon_cluster_log_file = $dir/cluster.log
debug_rgw = 0/0
debug_ms = 0/0
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 4
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
mon_allow_pool_size_one = true
mon_max_pg_per_osd = 2000
rgw_rados_pool_pg_num_min = 4
[mon]
mon_data = $dir/mon
mon_data_avail_crit = 0
paxos_propose_interval = 0.05
[osd]
osd_data = $dir/osd
osd_objectstore = ${S3_TEST_STORE:-memstore}
memstore_device_bytes = 2147483648
bluestore_block_size = 21474836480
bluestore_cache_autotune = false
osd_max_object_name_len = 2048
osd_class_load_list = *
[client.gateway]
rgw_data = $dir
rgw_frontends = beast endpoint=127.0.0.1:$gateway_port $secure
rgw_run_sync_thread = false
rgw_override_bucket_index_max_shards = 1
rgw_dynamic_resharding = false
END

daemons=
start() { # COMMAND... runs in this process group, and is ended by its pid.
  "$@" -c ceph.conf -f </dev/null >>daemons.out 2>&1 &
  daemons="$daemons $!"
}
stop() {
  trap - EXIT HUP INT TERM
  # shellcheck disable=SC2086
  [ -z "$daemons" ] || kill -KILL $daemons 2>/dev/null # Nothing of it is to be kept.
  wait
  exit "$1"
}
trap 'stop $?' EXIT
trap 'stop 0' HUP INT TERM
fail() {
  echo "$1 failed:" >&2
  tail -n 5 daemons.out ./*.log >&2
  exit 1
}

mkdir mon osd
{
  ceph-authtool --create-keyring keyring --gen-key -n mon. --cap mon 'allow *' &&
    ceph-authtool keyring --gen-key -n client.gateway --cap mon 'allow *' --cap osd 'allow *' &&
    ceph-authtool keyring --gen-key -n osd.0 --cap mon 'allow profile osd' --cap osd 'allow *' &&
    monmaptool --create --fsid "$fsid" --addv a "[v2:127.0.0.1:$monitor_port]" --set-min-mon-release pacific monmap &&
    ceph-mon -c ceph.conf -i a --mkfs --monmap monmap --keyring keyring
} >>daemons.out 2>&1 || fail "making the monitor"
start ceph-mon -i a
{
  timeout 60 ceph -c ceph.conf -n client.gateway osd new "$osd" 0 && ceph-osd -c ceph.conf -i 0 --mkfs --osd-uuid "$osd"
} >>daemons.out 2>&1 || fail "making the OSD"
start ceph-osd -i 0
timeout 100 radosgw-admin -c ceph.conf -n client.gateway user create --uid rainbow --display-name rainbow \
  --access-key rainbow-test --secret-key rainbow-test-secret >>daemons.out 2>&1 || fail "making the user"
start radosgw -n client.gateway

attempts=0
until [ -n "$(timeout 2 bash -c 'exec 3<>/dev/tcp/127.0.0.1/$0 && printf "GET / HTTP/1.0\r\n\r\n" >&3 && head -c 1 <&3' "$gateway_port" 2>/dev/null)" ]; do
  attempts=$((attempts + 1))
  # shellcheck disable=SC2086
  [ "$attempts" -lt 300 ] && kill -0 $daemons 2>/dev/null || fail "starting"
  sleep 0.1
done
echo ready
exec 3<&0
cat <&3 >/dev/null & # In the background, as a shell hears no signal while it waits for a program in the foreground.
wait $!
