#!/usr/bin/env bash
# A real Kubernetes API server with the kinds of KServe, Trainer and Argo, from Debian packages and nothing else.
#
#   apt-get install etcd-server golang-go golang-github-modern-go-reflect2-dev     (Debian 12)
#   tests/cluster/api_server.sh build      once, about ten minutes on two cores
#   tests/cluster/api_server.sh start      prints KUBECONFIG
#   tests/cluster/api_server.sh stop
#
# Debian's source package holds Kubernetes 1.20 with all its dependencies: old, but its admission, roles, tokens and
# resourceVersions are the real ones. CLUSTER names the folder of sources, programs and data.
set -euo pipefail
cd "$(dirname "$0")"

CLUSTER=${CLUSTER:-${XDG_CACHE_HOME:-$HOME/.cache}/modelsat-cluster}
VERSION=1.20.2
ADDRESS=127.0.0.1:16443
STORE=http://127.0.0.1:12379
PEERS=http://127.0.0.1:12380
PYTHON=${PYTHON:-../../.venv/bin/python}
mkdir -p "$CLUSTER/bin" "$CLUSTER/logs"
CLUSTER=$(realpath "$CLUSTER")

sources() {
    local lists=(-o "Dir::Etc::sourcelist=$CLUSTER/debian.sources" -o Dir::Etc::sourceparts=-
        -o "Dir::State::lists=$CLUSTER/lists" -o APT::Sandbox::User=)
    sed 's/^Types: deb$/Types: deb-src/' /etc/apt/sources.list.d/debian.sources >"$CLUSTER/debian.sources"
    mkdir -p "$CLUSTER/lists/partial" "$CLUSTER/go/src/k8s.io"
    (cd "$CLUSTER" && apt-get "${lists[@]}" -qq update && apt-get "${lists[@]}" -qq --download-only source kubernetes)
    mkdir "$CLUSTER/unpacked"
    tar -C "$CLUSTER/unpacked" --strip-components 1 -xf "$CLUSTER"/kubernetes_*.orig.tar.gz
    # What is vendored there crashes with Go 1.18 and later.
    rm -r "$CLUSTER/unpacked/vendor/github.com/modern-go/reflect2"
    cp -rL /usr/share/gocode/src/github.com/modern-go/reflect2 "$CLUSTER/unpacked/vendor/github.com/modern-go/"
    mv "$CLUSTER/unpacked" "$CLUSTER/go/src/k8s.io/kubernetes"
}

build() {
    [ ! -x "$CLUSTER/bin/kube-controller-manager" ] || return 0
    [ -d "$CLUSTER/go/src/k8s.io/kubernetes" ] || sources
    cd "$CLUSTER/go/src/k8s.io/kubernetes"
    export GO111MODULE=off GOPATH=$CLUSTER/go GOCACHE=$CLUSTER/cache CGO_ENABLED=0
    local vendored=k8s.io/kubernetes/vendor/k8s.io described
    # The one file that the source package has to be completed with.
    go build -o "$CLUSTER/bin/" $vendored/kube-openapi/cmd/openapi-gen
    described=$(grep -rlE --include='*.go' '^// \+k8s:openapi-gen=' pkg staging/src cmd plugin | xargs -n1 dirname | sort -u |
        grep -vE 'staging/src/k8s.io/(sample|code-generator)|/_' |
        sed 's,^staging/src/,k8s.io/kubernetes/vendor/,; /^k8s.io/!s,^,k8s.io/kubernetes/,' | paste -sd,)
    "$CLUSTER/bin/openapi-gen" --logtostderr -i "$described" -O zz_generated.openapi -r /dev/null \
        -p k8s.io/kubernetes/pkg/generated/openapi -h vendor/k8s.io/code-generator/hack/boilerplate.go.txt
    go build -o "$CLUSTER/bin/" -ldflags "-X $vendored/component-base/version.gitVersion=v$VERSION" \
        ./cmd/kube-apiserver ./cmd/kube-controller-manager
}

beside() {
    local name=$1
    shift
    setsid "$@" >"$CLUSTER/logs/$name" 2>&1 &
    echo $! >"$CLUSTER/$name.pid"
}

start() {
    [ -x "$CLUSTER/bin/kube-apiserver" ] || { echo "there is no API server in $CLUSTER; run $0 build" >&2 && exit 2; }
    local certificates=$CLUSTER/certificates token
    token=$(openssl rand -hex 16)
    [ -f "$CLUSTER/accounts.key" ] || openssl genrsa -out "$CLUSTER/accounts.key" 2048 2>/dev/null
    echo "$token,admin,admin,system:masters" >"$CLUSTER/tokens.csv"
    beside etcd etcd --data-dir "$CLUSTER/data" --log-level warn --listen-client-urls $STORE --advertise-client-urls $STORE \
        --listen-peer-urls $PEERS --initial-advertise-peer-urls $PEERS --initial-cluster default=$PEERS
    beside api-server "$CLUSTER/bin/kube-apiserver" --etcd-servers $STORE --bind-address "${ADDRESS%:*}" \
        --secure-port "${ADDRESS#*:}" --cert-dir "$certificates" --endpoint-reconciler-type none \
        --authorization-mode RBAC --token-auth-file "$CLUSTER/tokens.csv" --service-cluster-ip-range 10.96.0.0/16 \
        --service-account-issuer https://kubernetes.default.svc \
        --service-account-key-file "$CLUSTER/accounts.key" --service-account-signing-key-file "$CLUSTER/accounts.key"
    timeout 60 sh -c "until curl -ksf https://$ADDRESS/readyz; do sleep 0.2; done" >/dev/null
    export KUBECONFIG=$CLUSTER/config
    kubectl config set-cluster here --server "https://$ADDRESS" --certificate-authority "$certificates/apiserver.crt"
    kubectl config set-credentials admin --token "$token"
    kubectl config set-context here --cluster here --user admin
    kubectl config use-context here
    beside controllers "$CLUSTER/bin/kube-controller-manager" --kubeconfig "$CLUSTER/config" --leader-elect=false \
        --service-account-private-key-file "$CLUSTER/accounts.key" --root-ca-file "$certificates/apiserver.crt"
    "$PYTHON" definitions.py | kubectl apply --server-side --force-conflicts -f - >"$CLUSTER/logs/definitions"
    kubectl wait --for condition=Established --timeout 60s crd --all >/dev/null
} >&2

stop() {
    local name pid
    for name in controllers api-server etcd; do
        [ -f "$CLUSTER/$name.pid" ] || continue
        pid=$(<"$CLUSTER/$name.pid")
        kill "$pid" && timeout 60 tail --pid "$pid" -f /dev/null || true
        rm "$CLUSTER/$name.pid"
    done
    rm -rf "$CLUSTER/data"
}

case ${1:-} in
    build) build ;;
    start) start && echo "KUBECONFIG=$CLUSTER/config" ;;
    stop) stop ;;
    *) echo "usage: $0 build|start|stop" >&2 && exit 2 ;;
esac
