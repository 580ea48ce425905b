# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154  # `command`, `name`, `folder`, `dir` are tests/backends'
# What each kind of server is: KIND_get; KIND_command MEMBER fills `command`; KIND_ready MEMBER asks it by its own
# protocol; where there is such, KIND_prepare once it is up, KIND_details for `env`, and KIND_leads MEMBER.

names=(etcd zookeeper nats consul kubernetes dns etcd3 zookeeper3 consul3 etcd-auth nats-auth consul-acl)
# Every member has four ports from here on, below those that Linux gives to clients.
declare -A ports=(
    [etcd]=21100 [zookeeper]=21104 [nats]=21108 [consul]=21112 [kubernetes]=21116 [dns]=21124 [etcd3]=21128
    [zookeeper3]=21140 [consul3]=21152 [etcd-auth]=21164 [nats-auth]=21168 [consul-acl]=21172)
declare -A members=(
    [etcd]=1 [zookeeper]=1 [nats]=1 [consul]=1 [kubernetes]=2 [dns]=1 [etcd3]=3
    [zookeeper3]=3 [consul3]=3 [etcd-auth]=1 [nats-auth]=1 [consul-acl]=1)
token=00000000-0000-4000-8000-6d6963726f00 # of nats-auth and consul-acl

# The members that clients talk to are the first so many.
clients() { if [ "$kind" = kubernetes ]; then echo 1; else echo "${members[$name]}"; fi; }
# peers FORM OFFSET: FORM for each member, with commas; N is its number, P its port at that offset.
peers() {
    local member form list=
    for member in $(seq "${members[$name]}"); do
        form=${1//N/$member}
        list+=${list:+,}${form//P/$(($(port "$member") + $2))}
    done
    echo "$list"
}
fetch() { curl -sf -m 3 --noproxy '*' "$@"; }
# ask PORT BYTES COUNT: sends bytes, prints the first so many of the answer, at most.
ask() {
    # shellcheck disable=SC2016  # the inner shell's
    timeout 3 bash -c 'exec 3<>"/dev/tcp/127.0.0.1/$0" && printf "$1" >&3 && head -c "$2" <&3' "$@" 2>/dev/null
}

# --- etcd; etcd-auth has TLS, users `root` (password root), `micro` (micro, all of /micro/) and `reader` (reader)

etcd_get() {
    apt curl curl && if [ "$name" = etcd-auth ]; then apt openssl openssl; fi &&
        built etcd go.etcd.io/etcd/server/v3 go.etcd.io/etcd/server/v3
}
etcd_url() { if [ "$name" = etcd-auth ]; then echo "https://$(address "$1")"; else echo "http://$(address "$1")"; fi; }
etcd_fetch() { # MEMBER PATH CURL-ARGUMENT…
    local certificate=()
    if [ "$name" = etcd-auth ]; then certificate=(--cacert "$dir/$name/$1/certificate.pem"); fi
    fetch "${certificate[@]}" "${@:3}" "$(etcd_url "$1")$2"
}
etcd_command() {
    local peer=http://127.0.0.1:$(($(port "$1") + 1))
    command=("$(program etcd)" --name="$1" --data-dir=data
        --listen-client-urls="$(etcd_url "$1")" --advertise-client-urls="$(etcd_url "$1")"
        --listen-peer-urls="$peer" --initial-advertise-peer-urls="$peer"
        --initial-cluster="$(peers N=http://127.0.0.1:P 1)")
    if [ "$name" = etcd-auth ]; then
        [ -s "$folder/certificate.pem" ] || openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes \
            -days 3650 -subj /CN=etcd -addext subjectAltName=IP:127.0.0.1,DNS:localhost \
            -addext basicConstraints=critical,CA:FALSE \
            -keyout "$folder/key.pem" -out "$folder/certificate.pem" 2>>"$folder/log" || return
        command+=(--cert-file=certificate.pem --key-file=key.pem)
    fi
}
etcd_ready() { etcd_fetch "$1" /health >/dev/null; }
etcd_prepare() {
    local user
    [ "$name" = etcd-auth ] && [ ! -e "$dir/$name/1/prepared" ] || return 0
    for user in root micro reader; do
        etcd_fetch 1 /v3/auth/user/add -d "{\"name\":\"$user\",\"password\":\"$user\"}" &&
            etcd_fetch 1 /v3/auth/role/add -d "{\"name\":\"$user\"}" &&
            etcd_fetch 1 /v3/auth/user/grant -d "{\"user\":\"$user\",\"role\":\"$user\"}" || return
    done >>"$dir/$name/1/log"
    # From /micro/ up to /micro0, in base64: what begins with /micro/.
    local range='"key":"L21pY3JvLw==","range_end":"L21pY3JvMA=="'
    {
        etcd_fetch 1 /v3/auth/role/grant -d "{\"name\":\"micro\",\"perm\":{\"permType\":\"READWRITE\",$range}}" &&
            etcd_fetch 1 /v3/auth/role/grant -d "{\"name\":\"reader\",\"perm\":{\"permType\":\"READ\",$range}}" &&
            etcd_fetch 1 /v3/auth/enable -d '{}'
    } >>"$dir/$name/1/log" && touch "$dir/$name/1/prepared"
}
etcd_details() {
    [ "$name" = etcd-auth ] || return
    printf '%s\n' "USER micro" "PASSWORD micro" "CA $dir/$name/1/certificate.pem"
}
etcd_leads() {
    etcd_fetch "$1" /v3/maintenance/status -d '{}' |
        grep -q '"member_id":\("[0-9]*"\).*"leader":\1'
}

# --- zookeeper; its short tick allows sessions of a second

zookeeper_get() { apt java default-jre-headless && apt /usr/share/java/zookeeper.jar zookeeper libslf4j-java; }
zookeeper_command() {
    local jars=/usr/share/java
    printf '%s\n' tickTime=500 initLimit=20 syncLimit=10 "dataDir=$folder/data" "clientPort=$(port "$1")" \
        clientPortAddress=127.0.0.1 maxClientCnxns=0 admin.enableServer=false '4lw.commands.whitelist=*' \
        >"$folder/zoo.cfg"
    if [ "${members[$name]}" -gt 1 ]; then
        echo "$1" >"$folder/data/myid"
        for member in $(seq "${members[$name]}"); do
            echo "server.$member=127.0.0.1:$(($(port "$member") + 1)):$(($(port "$member") + 2))"
        done >>"$folder/zoo.cfg"
    fi
    command=(java -Xmx256m -cp "$jars/zookeeper.jar:$jars/slf4j-simple.jar"
        org.apache.zookeeper.server.quorum.QuorumPeerMain zoo.cfg)
}
# Without a quorum `ruok` is answered as well, but `srvr` has no mode.
zookeeper_mode() { ask "$(port "$1")" srvr 4096; }
zookeeper_ready() { zookeeper_mode "$1" | grep -q ^Mode:; }
zookeeper_leads() { zookeeper_mode "$1" | grep -q '^Mode: leader'; }

# --- nats

nats_get() { apt curl curl && built nats github.com/nats-io/nats-server/v2 github.com/nats-io/nats-server/v2; }
nats_command() {
    command=("$(program nats)" -a 127.0.0.1 -p "$(port "$1")" -m $(($(port "$1") + 1)) -js -sd data)
    if [ "$name" = nats-auth ]; then command+=(--auth "$token"); fi
}
nats_ready() { fetch "http://127.0.0.1:$(($(port "$1") + 1))/healthz" >/dev/null; }
nats_details() { if [ "$name" = nats-auth ]; then echo "TOKEN $token"; fi; }

# --- consul; the multiplier makes it elect within a second

consul_get() { apt curl curl && built consul github.com/hashicorp/consul .; }
consul_command() {
    local http
    http=$(port "$1")
    cat >"$folder/consul.json" <<-JSON
		{ "server": true, "bootstrap_expect": ${members[$name]}, "node_name": "member-$1", "data_dir": "$folder/data",
		  "bind_addr": "127.0.0.1", "client_addr": "127.0.0.1", "performance": { "raft_multiplier": 1 },
		  "limits": { "http_max_conns_per_client": 4000 },
		  "ports": { "http": $http, "server": $((http + 1)), "serf_lan": $((http + 2)), "serf_wan": $((http + 3)),
		             "dns": -1, "grpc": -1, "grpc_tls": -1 },
		  "retry_join": [$(peers '"127.0.0.1:P"' 2)], "retry_interval": "1s",
		  "acl": { "enabled": $([ "$name" = consul-acl ] && echo true || echo false), "default_policy": "deny",
		           "tokens": { "initial_management": "$token", "agent": "$token" } } }
	JSON
    command=("$(program consul)" -config-file=consul.json)
}
consul_leader() { fetch "http://$(address "$1")/v1/status/leader"; }
consul_ready() { [[ $(consul_leader "$1") == *127.0.0.1:* ]]; }
consul_leads() { [[ $(consul_leader "$1") == "\"127.0.0.1:$(($(port "$1") + 1))\"" ]]; }
consul_details() { if [ "$name" = consul-acl ]; then echo "TOKEN $token"; fi; }

# --- kubernetes: member 1 is kube-apiserver, 2 the etcd that is its own; no nodes, no controllers

kubernetes_get() {
    apt curl curl && apt openssl openssl && built etcd go.etcd.io/etcd/server/v3 go.etcd.io/etcd/server/v3 &&
        built kubernetes k8s.io/kubernetes k8s.io/kubernetes/cmd/kube-apiserver \
            "-X k8s.io/component-base/version.gitVersion=${version[kubernetes]}"
}
kubernetes_command() {
    local etcd
    etcd=http://127.0.0.1:$(port 2)
    if [ "$1" = 2 ]; then
        local peer=http://127.0.0.1:$(($(port 2) + 1))
        command=("$(program etcd)" --name=micro --data-dir=data --listen-client-urls="$etcd"
            --advertise-client-urls="$etcd" --listen-peer-urls="$peer" --initial-advertise-peer-urls="$peer"
            --initial-cluster="micro=$peer")
        return
    fi
    [ -s "$folder/accounts.pem" ] || openssl genrsa -out "$folder/accounts.pem" 2048 2>>"$folder/log" || return
    printf '%s' "$token" >"$folder/token"
    echo "$token,admin,admin,system:masters" >"$folder/tokens.csv"
    command=("$(program kubernetes)" --etcd-servers="$etcd" --bind-address=127.0.0.1 --secure-port="$(port 1)"
        --advertise-address=127.0.0.1 --endpoint-reconciler-type=none --service-cluster-ip-range=10.0.0.0/24
        --cert-dir=certificates --token-auth-file=tokens.csv --authorization-mode=RBAC
        --disable-admission-plugins=ServiceAccount --service-account-issuer=https://kubernetes.default.svc
        --service-account-key-file=accounts.pem --service-account-signing-key-file=accounts.pem)
}
kubernetes_ready() {
    if [ "$1" = 2 ]; then fetch "http://$(address 2)/health" >/dev/null; return; fi
    fetch --cacert "$dir/$name/1/certificates/apiserver.crt" "https://$(address 1)/readyz" >/dev/null
}
kubernetes_details() { printf '%s\n' "TOKEN $dir/$name/1/token" "CA $dir/$name/1/certificates/apiserver.crt"; }

# --- dns: the zone is micro.test; `kill dns HUP` reads it anew

# dnsmasq is for servers that tests start themselves.
dns_get() { apt nsd nsd && apt dnsmasq dnsmasq-base; }
dns_command() {
    [ -s "$folder/zone" ] || dns_zone >"$folder/zone"
    cat >"$folder/nsd.conf" <<-CONF
		server:
		    ip-address: 127.0.0.1@$(port "$1")
		    username: ""
		    zonesdir: "$folder"
		    pidfile: "$folder/nsd.pid"
		    xfrdfile: ""
		    zonelistfile: "$folder/zones"
		    server-count: 1
		remote-control:
		    control-enable: no
		zone:
		    name: micro.test
		    zonefile: zone
	CONF
    command=(nsd -d -c "$folder/nsd.conf")
}
dns_zone() {
    local number
    cat <<-'ZONE'
		$ORIGIN micro.test.
		$TTL 1
		@              SOA  ns hostmaster 1 3600 3600 3600 1
		@              NS   ns
		ns             A    127.0.0.1
		one            A    127.0.0.1
		two            A    127.0.0.2
		six            AAAA ::1
		both           A    127.0.0.1
		both           A    127.0.0.2
		both           AAAA ::1
		alias          CNAME both
		_greeter._tcp  SRV  1 10 20001 one
		_greeter._tcp  SRV  1 30 20002 two
		_greeter._tcp  SRV  2 10 20003 six
	ZONE
    # More than what goes into one answer over UDP.
    for number in $(seq 100); do echo "_many._tcp SRV 1 1 $((20000 + number)) one"; done
}
# Over TCP, SOA of the zone: an answer whose header has no error.
dns_ready() {
    local query='\0\034\0\01\0\0\0\01\0\0\0\0\0\0\05micro\04test\0\0\06\0\01'
    [[ $(ask "$(port "$1")" "$query" 6 | od -An -v -tx1 | tr -d ' ') == ????00018400 ]]
}
dns_details() { echo "ZONE $dir/$name/1/zone"; }
