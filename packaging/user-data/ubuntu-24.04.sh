#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# User data of an instance with Ubuntu 24.04: installs agentd and the visitor board from pinned
# packages, configures and starts them, and waits until /health says 200. It may run any number of
# times. Steps go to the console and to the journal (journalctl -t agentd-user-data); what is wrong
# ends it with one line that says why, and exit status 1.
#
# Made by packaging/user-data/make from common.in and a part for the distribution.

# --- begin variables: filled in by who launches the instance ---
AGENTD_VERSION='' # VERSION or VERSION-RELEASE, as the packages themselves must say
AGENTD_URL=''     # https://... or s3://BUCKET/KEY
AGENTD_SHA256=''
BOARD_URL='' # the same of agentd-visitor-board
BOARD_SHA256=''
APP_PORT='80'
TABLE_NAME='' # DynamoDB table of the board's messages; '': in a file of this instance
AWS_REGION='' # '': the instance's own
METRICS_NAMESPACE='VisitorBoard'
SCALING_TARGET='50' # percent of CPU that the Auto Scaling policy aims at
TRUSTED_PROXIES=''  # the load balancer's addresses or networks: whose X-Forwarded-For the board believes; '': nobody's
# --- end variables ---

set -uo pipefail
export LC_ALL=C
CONFIG=/etc/agentd/conf.d/90-user-data.conf # after the packages' own, so that it wins
KEPT=/var/lib/agentd-user-data              # what was installed last
HEALTH=http://127.0.0.1:8081/health
HEALTH_LIMIT_S=120
PACKAGE_MAX_BYTES=20000000

# Console and journal. A console that is gone, or no journal yet, ends nothing.
say() { # priority, words
  echo "agentd-user-data: $2" 2>/dev/null
  logger -t agentd-user-data -p "user.$1" -- "$2" 2>/dev/null || true
}
step() { say info "$1"; }
die() {
  say err "failed: $1"
  exit 1
}

# --- What was given -----------------------------------------------------------------------------

matches() { # name, pattern, what it has to be
  local pattern="^($2)\$"
  [[ ${!1} =~ $pattern ]] || die "$1 is \"${!1}\", must be $3"
}

between() { # name, least, most
  matches "$1" '[1-9][0-9]{0,4}' "a number from $2 to $3"
  if [ "${!1}" -lt "$2" ] || [ "${!1}" -gt "$3" ]; then die "$1 is \"${!1}\", must be a number from $2 to $3"; fi
}

# As the board takes them: it would not start with a network that has bits behind its prefix.
check_proxies() {
  local proxy a b c d bits one='([0-9]{1,3}(\.[0-9]{1,3}){3}|[0-9a-f]*:[0-9a-f.:]*)(/[0-9]{1,3})?'
  matches TRUSTED_PROXIES "|$one([, ]+$one)*" 'empty or addresses and networks with commas between them'
  for proxy in ${TRUSTED_PROXIES//,/ }; do
    IFS=./ read -r a b c d bits <<<"$proxy"
    [[ $proxy = *:* ]] || ! (((a << 24 | b << 16 | c << 8 | d) << ${bits:-32} & 0xffffffff)) ||
      die "TRUSTED_PROXIES is \"$proxy\", must have no bits behind its prefix"
  done
}

check_variables() {
  local url='https://[A-Za-z0-9._~:/?#@!$&()*+,;=%-]+|s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/[A-Za-z0-9._/=+-]+'
  matches AGENTD_VERSION '[0-9][0-9A-Za-z.~]*(-[0-9A-Za-z.~]+)?' 'VERSION or VERSION-RELEASE'
  matches AGENTD_URL "$url" 'https://... or s3://BUCKET/KEY'
  matches AGENTD_SHA256 '[0-9a-f]{64}' '64 hexadecimal digits in lower case'
  matches BOARD_URL "$url" 'https://... or s3://BUCKET/KEY'
  matches BOARD_SHA256 '[0-9a-f]{64}' '64 hexadecimal digits in lower case'
  between APP_PORT 1 65535
  matches TABLE_NAME '|[A-Za-z0-9_.-]{3,255}' 'empty or 3 to 255 letters, digits, "_", "." or "-"'
  matches AWS_REGION '|[a-z]{2}(-[a-z]+)+-[0-9]{1,2}' 'empty or a Region, such as eu-central-1'
  matches METRICS_NAMESPACE '[A-Za-z0-9_./#:-]{1,255}' '1 to 255 letters, digits and ". - _ / # :"'
  [[ $METRICS_NAMESPACE != AWS/* ]] || die "METRICS_NAMESPACE is \"$METRICS_NAMESPACE\": AWS/ is AWS's own"
  between SCALING_TARGET 1 100
  check_proxies
  [ "$(id -u)" = 0 ] || die "must run as root"
}

# --- The instance itself ------------------------------------------------------------------------

# By IMDSv2, which may not be there yet when the instance boots.
metadata() { # path below latest/
  local base=${AWS_EC2_METADATA_SERVICE_ENDPOINT:-http://169.254.169.254} token
  token=$(curl -sS --fail --noproxy '*' --retry 10 --retry-connrefused --connect-timeout 2 --max-time 60 -X PUT \
    -H 'X-aws-ec2-metadata-token-ttl-seconds: 300' "${base%/}/latest/api/token") || return
  curl -sS --fail --noproxy '*' --retry 5 --connect-timeout 2 --max-time 60 -H @- "${base%/}/latest/$1" \
    <<<"X-aws-ec2-metadata-token: $token"
}

find_region() {
  [ -z "$AWS_REGION" ] || return 0
  AWS_REGION=$(metadata meta-data/placement/region) || die "AWS_REGION is empty, and the instance's metadata don't answer"
  matches AWS_REGION '[a-z]{2}(-[a-z]+)+-[0-9]{1,2}' 'a Region (the metadata say this)'
}

# --- Fetching -----------------------------------------------------------------------------------

# Bounded in time, size and redirects; https only. Further arguments: curl's own.
fetch_https() { # address, file
  local url=$1 file=$2
  shift 2
  curl -sS --fail --location --max-redirs 5 --proto '=https' --proto-redir '=https' --tlsv1.2 \
    --retry 5 --retry-connrefused --connect-timeout 10 --max-time 300 --max-filesize "$PACKAGE_MAX_BYTES" \
    -o "$file" "$@" -- "$url"
}

json_text() { sed -n "s/.*\"$1\" *: *\"\\([^\"]*\\)\".*/\\1/p" <<<"$2" | head -n 1; }

# One GET with the role's credentials, signed by curl, so that no AWS CLI is needed. They go in by
# curl's standard input: its arguments are for all to see.
fetch_s3() { # s3://BUCKET/KEY, file
  local bucket key role credentials host domain=amazonaws.com
  bucket=${1#s3://} key=${bucket#*/} bucket=${bucket%%/*}
  [[ $AWS_REGION != cn-* ]] || domain=amazonaws.com.cn
  role=$(metadata meta-data/iam/security-credentials/) || return
  credentials=$(metadata "meta-data/iam/security-credentials/${role%%$'\n'*}") || return
  # By path, for a name with dots matches no certificate.
  host=${AWS_ENDPOINT_URL_S3:-https://s3.$AWS_REGION.$domain}
  fetch_https "${host%/}/$bucket/$key" "$2" --aws-sigv4 "aws:amz:$AWS_REGION:s3" --config - <<CURL
user = "$(json_text AccessKeyId "$credentials"):$(json_text SecretAccessKey "$credentials")"
header = "x-amz-security-token: $(json_text Token "$credentials")"
CURL
}

fetch() { # address, SHA-256, file
  local sum
  step "fetches $1"
  case $1 in
    s3://*) find_region && fetch_s3 "$1" "$3" ;;
    *) fetch_https "$1" "$3" ;;
  esac || die "can't fetch $1"
  sum=$(sha256sum "$3") || die "can't read $3"
  [ "${sum%% *}" = "$2" ] || die "$1 has the SHA-256 ${sum%% *}, not $2: nothing is installed"
}

# --- Installing ---------------------------------------------------------------------------------

# shellcheck disable=SC2016 # dpkg's own variables
package_says() { dpkg-deb -W --showformat='${Package} ${Version}' "$1" 2>/dev/null; }
# shellcheck disable=SC2016
installed_says() { dpkg-query -W -f '${Package} ${Version}' "$1" 2>/dev/null; }

# What they depend on comes from the distribution's own repositories; the lists are fetched if the
# packages can't be installed without. An administrator's changes to configuration files are kept.
install_packages() {
  local apt=(apt-get -q -y -o DPkg::Lock::Timeout=300 -o Dpkg::Options::=--force-confdef
    -o Dpkg::Options::=--force-confold --allow-downgrades --no-install-recommends install)
  export DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=l
  "${apt[@]}" "$@" || { apt-get -q -o DPkg::Lock::Timeout=300 update && "${apt[@]}" "$@"; }
}

# Whether "NAME VERSION-RELEASE" is what was asked for; AGENTD_VERSION may be without the release.
is_wanted() { # name, what is said
  [ "$2" = "$1 $AGENTD_VERSION" ] || [[ $2 = "$1 $AGENTD_VERSION"-* ]]
}

is_installed() { is_wanted "$1" "$(installed_says "$1")"; }

check_package() { # file, name
  local said
  said=$(package_says "$1") || die "$1 is no package: nothing is installed"
  is_wanted "$2" "$said" || die "the package is \"$said\", not \"$2 $AGENTD_VERSION\": nothing is installed"
}

install_both() {
  local wanted="$AGENTD_SHA256 $BOARD_SHA256" work
  if [ "$(cat "$KEPT/installed" 2>/dev/null)" = "$wanted" ] && is_installed agentd && is_installed agentd-visitor-board; then
    step "agentd $AGENTD_VERSION is installed already"
    return
  fi
  work=$(mktemp -d) || die "no temporary directory"
  # shellcheck disable=SC2064 # now, not then
  trap "rm -rf '$work'" EXIT
  chmod 755 "$work" # the package manager may read as another user
  fetch "$AGENTD_URL" "$AGENTD_SHA256" "$work/agentd.deb"
  fetch "$BOARD_URL" "$BOARD_SHA256" "$work/agentd-visitor-board.deb"
  check_package "$work/agentd.deb" agentd
  check_package "$work/agentd-visitor-board.deb" agentd-visitor-board
  step "installs agentd $AGENTD_VERSION and the visitor board"
  install_packages "$work/agentd.deb" "$work/agentd-visitor-board.deb" || die "installing failed; the console's lines say why"
  if ! is_installed agentd || ! is_installed agentd-visitor-board; then
    die "installed are \"$(installed_says agentd)\" and \"$(installed_says agentd-visitor-board)\", not $AGENTD_VERSION"
  fi
  { mkdir -p "$KEPT" && echo "$wanted" >"$KEPT/installed"; } || die "can't write $KEPT/installed"
  fresh=yes
}

# --- Configuring and starting -------------------------------------------------------------------

configuration() {
  local environment='"BOARD_DATABASE=/var/lib/visitor-board/board.db"'
  [ -z "$TABLE_NAME" ] || environment="\"TABLE_NAME=$TABLE_NAME\", \"AWS_REGION=$AWS_REGION\""
  [ -z "$TRUSTED_PROXIES" ] || environment+=", \"BOARD_TRUSTED_PROXIES=$TRUSTED_PROXIES\""
  cat <<CONF
# Written by the instance's user data. Each boot that runs it writes it anew.
publish: {
  sink = "cloudwatch";
  namespace = "$METRICS_NAMESPACE";
  region = "$AWS_REGION";
  scaling_target = $SCALING_TARGET;
};
apps: {
  visitor-board: {
    listen = [ "$APP_PORT" ];
    environment = [ $environment ];
  };
};
CONF
}

# True if the file has changed.
configure() {
  local wanted
  wanted=$(configuration)
  if [ "$(cat "$CONFIG" 2>/dev/null)" = "$wanted" ]; then
    step "$CONFIG is as it should be"
    return 1
  fi
  step "writes $CONFIG"
  { mkdir -p "${CONFIG%/*}" && echo "$wanted" >"$CONFIG.new" && chmod 644 "$CONFIG.new" && mv "$CONFIG.new" "$CONFIG"; } ||
    die "can't write $CONFIG"
}

# A listener's address is kept until agentd restarts, so new settings need a restart.
start() { # restart or start
  local problem
  problem=$(agentctl config check 2>&1) || die "the configuration is wrong: $(tail -n 1 <<<"$problem")"
  step "systemctl $1 agentd"
  systemctl -q enable agentd.service || die "can't enable agentd.service"
  systemctl "$1" agentd.service || die "agentd does not start: $(why)"
}

# The unit's last word.
why() { journalctl -q --no-pager -o cat -u agentd.service -t agentd -t agentd-core -n 1 2>/dev/null || true; }

wait_for_health() {
  local deadline=$((SECONDS + HEALTH_LIMIT_S)) code=''
  step "waits for $HEALTH"
  while [ "$SECONDS" -lt "$deadline" ]; do
    code=$(curl -s -o /dev/null --noproxy '*' --max-time 5 -w '%{http_code}' "$HEALTH")
    [ "$code" != 200 ] || { step "agentd $AGENTD_VERSION serves on port $APP_PORT"; return; }
    sleep 1
  done
  die "$HEALTH says $code after $HEALTH_LIMIT_S s: $(why)"
}

# What runs since before has gone on as the new agentd in place; its workers are still the old ones.
take_new_programs() {
  step "agentctl reload --wait"
  agentctl reload --wait || die "the workers can't be replaced by new ones, the old ones serve on; see the lines above"
}

main() {
  local fresh=no
  step "begins"
  check_variables
  install_both
  find_region
  if configure; then
    start restart
  elif [ "$fresh" = yes ] && systemctl -q is-active agentd.service; then
    take_new_programs
  else
    start start
  fi
  wait_for_health
}

main
