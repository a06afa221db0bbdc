#!/bin/sh
# passwords.sh DIR: draw a password for each user of users.acl, and write
#
#   DIR/users.acl               users.acl with the passwords' SHA-256 in their places
#   DIR/<user>.password         the password, for whoever is that user
#   DIR/redis_url               the workers' redis.url, for redis.url_file
#   DIR/http_token              a token for http.token_file
#   DIR/grafana_password        the password of Grafana's admin
#
# REDIS_ADDR is host:port for redis_url, redis:6379 if it is not set. What is there
# is kept: remove a password file to draw that password anew.
set -eu
dir=${1:?usage: passwords.sh DIR}
here=$(dirname "$0")
# The folder keeps others out. The files in it can be read by anybody who is let
# through: a container sees them one by one, under a user id of its own.
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
