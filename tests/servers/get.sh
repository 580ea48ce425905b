# shellcheck shell=bash
# shellcheck disable=SC2154  # `dir` and `cache` are tests/backends'
# Getting servers, from package managers only: each function leaves 0, 3 (not to be had) or 4 (needs root).

declare -A version=([etcd]=v3.6.16 [nats]=v2.15.2 [consul]=v1.22.0 [kubernetes]=v1.37.2)
PATH=$PATH:/usr/sbin

# apt FILE PACKAGE…: installs packages where there is no such file or command.
# Where systemd runs, a package may start a server of its own at its usual port.
apt() {
    local file=$1 root=() install=(apt-get install -y --no-install-recommends)
    shift
    if [ -e "$file" ] || command -v "$file" >/dev/null; then return 0; fi
    command -v apt-get >/dev/null || { say "\`$file\` is missing; install $*"; return 3; }
    if [ "$(id -u)" -ne 0 ]; then
        root=(sudo -n)
        sudo -n true 2>/dev/null || { say "\`$file\` is missing; run: sudo ${install[*]} $*"; return 4; }
    fi
    say "installing $*"
    root+=(env DEBIAN_FRONTEND=noninteractive)
    # The lists of packages may be old, or not there at all.
    { "${root[@]}" "${install[@]}" "$@" || { "${root[@]}" apt-get update && "${root[@]}" "${install[@]}" "$@"; }; } \
        >>"$dir/apt.log" 2>&1 9>&- || { say "$* cannot be installed; see $dir/apt.log"; return 3; }
}

# program NAME: where what `built` builds is kept.
program() { echo "$cache/$1-${version[$1]}"; }

# built NAME MODULE PACKAGE: builds a program of a Go module once. Programs whose go.mod replaces parts by folders
# of their repository, as those of Consul and Kubernetes do, cannot be installed by `go install`; a module
# that requires them can, which says itself what those parts are replaced by.
built() {
    local work=$cache/build log=$dir/$1-build.log
    [ -x "$(program "$1")" ] && return
    command -v go >/dev/null || { say "$1 is built by Go, which is not installed; see https://go.dev/dl"; return 3; }
    exec 8>"$cache/build.lock"
    flock 8
    if [ ! -x "$(program "$1")" ]; then
        say "building $1 ${version[$1]}, once; see $log"
        if (
            rm -rf "$work/module" && mkdir -p "$work/module" && cd "$work/module" || exit
            export GOFLAGS="-mod=mod -modcacherw" GOWORK=off GOCACHE=$work/cache GOMODCACHE=$work/modules GOGC=400
            go mod init micro/backends
            go mod edit -require="$2@${version[$1]}"
            if declare -F "$1"_module; then "$1"_module || exit; fi
            go build -trimpath -ldflags="-s -w ${4:-}" -o program "$3"
        ) >"$log" 2>&1 8>&- 9>&-; then
            mv "$work/module/program" "$(program "$1")"
        else
            say "$1 cannot be built; see $log"
        fi
    fi
    exec 8>&-
    [ -x "$(program "$1")" ] || return 3
}

# drop_builds: deletes what Go downloaded and compiled for `built`, gigabytes that the programs share parts of, and
# that are of no further use.
drop_builds() {
    [ -d "$cache/build" ] || return 0
    (flock 8 && rm -rf "$cache"/build "$cache"/build.??????) 8>"$cache/build.lock"
}

# Of the agent alone, as other commands need modules that no proxy has. The same goes for newer versions of the two
# parts here; those that a dependency withdrew are excluded, as in Consul's own go.mod.
consul_module() {
    local consul=github.com/hashicorp/consul
    go mod edit -replace=$consul/envoyextensions=$consul/envoyextensions@v0.7.4 \
        -replace=$consul/proto-public=$consul/proto-public@v0.6.3 \
        -exclude=github.com/hashicorp/go-msgpack@v1.1.5 -exclude=github.com/hashicorp/go-msgpack@v1.1.6
    cat >main.go <<-GO
		package main

		import (
			"os"

			"$consul/command/agent"
			"$consul/command/cli"
			terminal "github.com/mitchellh/cli"
		)

		func main() {
			plain := terminal.BasicUi{Writer: os.Stdout, ErrorWriter: os.Stderr}
			os.Exit(agent.New(&cli.BasicUI{BasicUi: plain}).Run(os.Args[1:]))
		}
	GO
}

# The parts of Kubernetes 1.N.M are published as 0.N.M.
kubernetes_module() {
    local its part
    its=$(go list -m -f '{{.GoMod}}' "k8s.io/kubernetes@${version[kubernetes]}") || return
    awk '$2 == "=>" && $3 ~ /^\.\/staging\// { print $1 }' "$its" | while read -r part; do
        go mod edit -replace="$part=$part@v0${version[kubernetes]#v1}" || return
    done
}
