# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# A Debian tree with systemd, a kernel and the libraries that agentd needs, made once and kept. To be
# sourced; needs root. It does not start anything and holds nothing of agentd itself.

CACHE=${AGENTD_CACHE:-/var/cache/agentd-tests}
TREE_SUITE=bookworm
TREE_PACKAGES=(systemd systemd-sysv dbus udev kmod initramfs-tools linux-image-cloud-amd64 python3 curl
  libmicrohttpd12 libconfig9 libjson-c5 libsqlite3-0 libcurl4 libncursesw6 libsystemd0 rpm dnf openssl)
# What only costs boot time, or would run during a test.
TREE_MASKED=(apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer
  e2scrub_reap.service fstrim.timer systemd-pcrphase.service systemd-pcrphase-sysinit.service
  getty@tty1.service serial-getty@ttyS0.service serial-getty@ttyS1.service console-getty.service)

# Prints the mirror that this machine itself uses, so that a local one is used here, too.
tree_mirror() {
  local uri
  # shellcheck disable=SC2016 # apt's variable, not the shell's
  uri=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
    grep -m1 '/debian/\?$' || true)
  echo "${uri:-http://deb.debian.org/debian}"
}

# Makes the tree under $1. All that decides what is in it is in this function and the lists above.
tree_make() {
  local tree=$1 list
  list=$(IFS=,; echo "${TREE_PACKAGES[*]}")
  debootstrap --variant=minbase --include="$list" "$TREE_SUITE" "$tree" "$(tree_mirror)" || return
  rm -rf "$tree"/var/cache/apt/archives/*.deb "$tree"/var/lib/apt/lists/* \
    "$tree"/usr/share/{doc,man,locale,info}/*
  local unit
  for unit in "${TREE_MASKED[@]}"; do ln -sf /dev/null "$tree/etc/systemd/system/$unit"; done
  echo agentd-test >"$tree/etc/hostname"
  printf '127.0.0.1 localhost agentd-test\n::1 localhost\n' >"$tree/etc/hosts"
  : >"$tree/etc/fstab"
  mkdir -p "$tree/etc/systemd/journald.conf.d"
  printf '[Journal]\nStorage=persistent\nRateLimitIntervalSec=0\nForwardToConsole=no\n' \
    >"$tree/etc/systemd/journald.conf.d/tests.conf"
  # A small initrd: this machine's only disk is virtio with ext4.
  echo 'MODULES=list' >"$tree/etc/initramfs-tools/conf.d/tests"
  printf 'virtio_pci\nvirtio_blk\next4\n' >>"$tree/etc/initramfs-tools/modules"
  chroot "$tree" update-initramfs -u -k all
}

# Prints the path of the kept tree; makes it first when there is none for this recipe. What happens
# meanwhile goes to the log file $1.
tree_path() {
  local log=$1 key tree lock
  key=$({ declare -f tree_make; echo "$TREE_SUITE ${TREE_PACKAGES[*]} ${TREE_MASKED[*]}"; } |
    sha256sum | cut -c1-16)
  tree=$CACHE/tree-$key
  mkdir -p "$CACHE"
  exec {lock}>"$CACHE/lock"
  flock "$lock"
  if [ ! -d "$tree" ]; then
    echo "making the Debian tree $tree (a few minutes, once)" >&2
    rm -rf "$tree.new"
    if ! tree_make "$tree.new" >"$log" 2>&1; then
      echo "making the Debian tree failed; the end of $log:" >&2
      tail -n 20 "$log" >&2
      return 1
    fi
    mv "$tree.new" "$tree"
  fi
  exec {lock}>&-
  echo "$tree"
}
