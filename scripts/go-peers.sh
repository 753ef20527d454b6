# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# The peer of the integration tests that is written in Go: AWS's mock of the metadata service, built
# once into the cache. To be sourced, after requirements.sh and build.sh.
: "${source_dir:?is the source tree}"
# The newest that Go 1.19 of Debian 12 builds; 1.13 wants 1.23, and is the same in what is asked here.
GO_PEER_MODULE=github.com/aws/amazon-ec2-metadata-mock/cmd
GO_PEER_VERSION=v1.12.0

# Sets PEERS_METADATA_MOCK to the program, and builds it where it is not there yet. Log: $1.
go_peers() {
  local log=$1 lock status=0
  PEERS_METADATA_MOCK=$(build_root)/ec2-metadata-mock-$GO_PEER_VERSION
  mkdir -p "$(build_root)"
  exec {lock}>"$PEERS_METADATA_MOCK.lock" # two source trees want the same one
  flock "$lock"
  [ -x "$PEERS_METADATA_MOCK" ] ||
    STEPS='^go: downloading' quietly "Go program of the tests into $(build_root)" "$log" go_peer_build || status=$?
  exec {lock}>&-
  return "$status"
}

# Modules and objects go into a directory that is not kept: the program is all that is wanted. It
# comes into place whole, or not at all. The toolchain is the one that is here.
go_peer_build() {
  local work=$PEERS_METADATA_MOCK.work
  rm -rf "$work"
  mkdir -p "$work" || return
  env GOTOOLCHAIN=local GOFLAGS=-modcacherw GOPATH="$work/go" GOCACHE="$work/cache" GOBIN="$work/bin" CGO_ENABLED=0 \
    go install "$GO_PEER_MODULE@$GO_PEER_VERSION" || return
  mv "$work/bin/cmd" "$PEERS_METADATA_MOCK" || return
  rm -rf "$work"
}
