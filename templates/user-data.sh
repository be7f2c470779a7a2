#!/bin/sh
# llm-fleet: runs once, at the first boot. It brings the host program and its two units; those do
# the rest, on every boot.
set -eu
umask 022

retry_s=10
attempts=180
program={{ host_program }}
sha256={{ bundle_sha256 }}

say() {
    echo "llm-fleet user data: $*"
}

retry() {
    tried=1
    until "$@"; do
        if [ "$tried" -ge "$attempts" ]; then
            say "gave up after $tried attempts: $1" >&2
            exit 1
        fi
        say "attempt $tried failed: $1; again in $retry_s s" >&2
        tried=$((tried + 1))
        sleep "$retry_s"
    done
}

has_boto3() {
    python3 -c 'import boto3' 2>/dev/null
}

# The host program calls AWS through boto3. Images that have it need no package repository.
install_boto3() {
    if command -v apt-get >/dev/null; then
        apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y python3-boto3
    elif command -v dnf >/dev/null; then
        dnf install -q -y python3-boto3 || {
            dnf install -q -y python3-pip && python3 -m pip install --quiet boto3
        }
    else
        python3 -m pip install --quiet boto3
    fi
    has_boto3
}

# Credentials come from the instance role (both clients speak IMDSv2).
fetch() {
    if has_boto3; then
        python3 - "$1" <<'PYTHON'
import sys

import boto3

s3 = boto3.client("s3", region_name={{ region | json }}{% if endpoint_url %}, endpoint_url={{ endpoint_url | json }}{% endif %})
s3.download_file({{ bucket | json }}, {{ bundle_key | json }}, sys.argv[1])
PYTHON
    else
        aws s3 cp --only-show-errors --region {{ [region] | words }} \
{% if endpoint_url %}
            --endpoint-url {{ [endpoint_url] | words }} \
{% endif %}
            {{ ["s3://" ~ bucket ~ "/" ~ bundle_key] | words }} "$1"
    fi
}

bootstrap() {
    fetch "$program.partial" || return 1
    echo "$sha256  $program.partial" | sha256sum --check --status || {
        say "{{ bundle_key }} does not have sha256 $sha256" >&2
        return 1
    }
    mv -f "$program.partial" "$program"
}

say "region {{ region }}, bucket {{ bucket }}"
mkdir -p {{ etc }} {{ run }} /etc/systemd/system /etc/tmpfiles.d "${program%/*}"
cat > {{ etc }}/host.json <<'JSON'
{{ host_json }}
JSON
cat > "${program%/*}/set-up.sh" <<'SET_UP'
{{ set_up -}}
SET_UP
# Before Docker starts: the front mounts this folder.
echo "d {{ run }} 0755 root root -" > /etc/tmpfiles.d/llm-fleet.conf
{% for name, content in units.items() %}
cat > /etc/systemd/system/{{ name }} <<'UNIT'
{{ content -}}
UNIT
{% endfor %}

has_boto3 || command -v aws >/dev/null || retry install_boto3
retry bootstrap
has_boto3 || retry install_boto3

if [ -d /run/systemd/system ]; then
    systemctl daemon-reload
    systemctl enable{% for name in units %} {{ name }}{% endfor %}

    # Without waiting: cloud-init ends while the weights are still on their way.
    systemctl start --no-block{% for name in units %} {{ name }}{% endfor %}

else
    say "no systemd here: run the ExecStart lines of the units"
fi
say "done"
