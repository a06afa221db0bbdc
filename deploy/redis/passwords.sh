#!/bin/sh
# passwords.sh DIR draws a password for each user of users.acl, and writes
#
#   DIR/users.acl               users.acl with the SHA-256 of the passwords
#   DIR/<user>.password         the user's password
#   DIR/redis_url               the workers' redis.url, for redis.url_file
#   DIR/http_token              a token for http.token_file
#   DIR/grafana_password        the password of Grafana's admin
#
# REDIS_ADDR is host:port for redis_url, by default redis:6379. Files that exist are
# kept: to draw a new password, remove its file.
set -eu
dir=${1:?usage: passwords.sh DIR}
here=$(dirname "$0")
# Only the owner may enter the folder. The files in it are readable, because a container
# gets them one by one and reads them with its own user id.
mkdir -p "$dir"
chmod 700 "$dir"
umask 022

draw() { [ -s "$1" ] || head -c 32 /dev/urandom | od -An -vtx1 | tr -d ' \n' >"$1"; }

rules=$(cat "$here/users.acl")
for user in outgate-worker outgate-producer outgate-untrusted; do
	draw "$dir/$user.password"
	hash=$(sha256sum <"$dir/$user.password" | cut -d ' ' -f 1)
	rules=$(printf '%s\n' "$rules" | sed "s/#sha256-of-the-password-of-$user /#$hash /")
done
printf '%s\n' "$rules" >"$dir/users.acl"
draw "$dir/http_token"
draw "$dir/grafana_password"
printf 'redis://outgate-worker:%s@%s/0' "$(cat "$dir/outgate-worker.password")" "${REDIS_ADDR:-redis:6379}" >"$dir/redis_url"
