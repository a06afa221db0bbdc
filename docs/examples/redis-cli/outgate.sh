#!/bin/sh
# Enqueue to outgate from a shell, with redis-cli and sha1sum.
#
# The functions are the client: copy them. The program below them tries every answer of
# docs/protocol.md, and prints a line for each. The client knows only the default scheme,
# sha1 of the room. For others use the key {}: Redis computes (not on a cluster).
set -u

OUTGATE_REDIS_URL=${OUTGATE_REDIS_URL:-redis://127.0.0.1:6390/0}
LOADS=0 # how often Redis did not have the script
NEWLINE='
'

# Put a password into REDISCLI_AUTH, not into the URL: other users can see arguments.
redis() { redis-cli -u "$OUTGATE_REDIS_URL" "$@"; }
api() { redis HGET outgate:api "$1"; }

# digest TEXT: the first four bytes of its sha1, as a number.
digest() { echo $((0x$(printf %s "$1" | sha1sum | cut -c 1-8))); }

# queue BRIDGE ROOM: the queue of a room.
queue() { printf '%s-%03d' "$(api namespace)" $(($(digest "$1:$2") % $(api partitions))); }

# enqueue QUEUE ENVELOPE: puts the receipt, or a refusal, into $answer. The envelope
# goes through stdin: an argument has a maximum length, and other users can see it.
enqueue() {
  answer=$(printf %s "$2" | redis -x EVALSHA "$(api enqueue)" 1 "{$1}" 2>&1)
  case $answer in
  NOSCRIPT*)
    # Redis was restarted. A worker will load the script within a second or two, but we
    # need it now. $(...) cuts newlines off, and the text must stay as it is.
    source=$(api enqueue_source; echo .)
    printf %s "${source%"$NEWLINE".}" | redis -x SCRIPT LOAD >/dev/null
    LOADS=$((LOADS + 1))
    enqueue "$@"
    ;;
  esac
}

# value FIELD JSON: the first value of that name. It works for receipts, and for the
# fields of outcomes before the caller's own. jq works for all.
value() { printf '%s\n' "$2" | sed -n "s/\"$1\":\"\{0,1\}/\\$NEWLINE/;s/.*\n\([^\",}]*\).*/\1/p"; }

# outcome QUEUE ID: the outcome, or empty if there is none yet.
outcome() { redis GET "outgate:{$1}:outcome:$2"; }

# deliver QUEUE ENVELOPE: enqueues, waits, and puts the outcome into $found.
deliver() {
  pipe=$(mktemp -u) && mkfifo "$pipe"
  timeout 30 redis-cli -u "$OUTGATE_REDIS_URL" SUBSCRIBE "outgate:{$1}:outcomes" >"$pipe" &
  subscriber=$!
  exec 3<"$pipe" && rm "$pipe"
  for _ in subscribe channel 1; do read -r _ <&3; done # subscribed: no outcome is missed
  enqueue "$1" "$2"
  id=$(value id "$answer") found=
  # A partition publishes the outcomes of all its rooms.
  while [ -n "$id" ] && read -r line <&3; do
    case $line in *"\"id\":\"$id\""*) found=$line && break ;; esac
  done
  exec 3<&-
  kill $subscriber 2>/dev/null
  # It may have been published while the connection was away.
  [ -n "$found" ] || found=$(outcome "$1" "$id")
}

# The program begins here.

say() { printf '%-12s%s\n' "$1" "$2"; }
code() { case $answer in OUTGATE_*) echo "${answer%% *}" ;; *) echo "not refused: $answer" ;; esac; }
word() { od -An -N16 -tx1 /dev/urandom | tr -d ' \n'; }
# envelope TEXT [MORE FIELDS]: a real script must escape the quotes in the text.
envelope() {
  printf '{"operation":"send","bridge_id":"%s","external_room_id":"lobby","payload":"%s"%s}' "$bridge" "$1" "${2:-}"
}

# The test vectors of sha1: the number of partitions, the right one, the hashed text.
vectors() {
  file=$(dirname "$0")/../../../partition/testdata/vectors.json all=0 right=0
  cases=$(sed -n '/"hash": "sha1"/s/.*"partitions": \([0-9]*\),.*"input": "\(.*\)", "digest".*"index": \([0-9]*\),.*/\1 \3 \2/p' "$file" |
    sed 's/\\\(.\)/\1/g')
  while IFS= read -r case; do
    input=${case#* } all=$((all + 1))
    [ $(($(digest "${input#* }") % ${case%% *})) = "${input%% *}" ] && right=$((right + 1))
  done <<CASES
$cases
CASES
  say vectors "$right of $all right"
}

tour() {
  bridge=${OUTGATE_BRIDGE:-sandbox}
  if [ -z "$(api version)" ]; then
    echo "no gateway has configured this Redis yet" >&2
    exit 1
  fi
  say discovery "version $(api version), $(api partitions) partitions of $(api namespace), $(api hash) of the $(api hash_key)"
  vectors

  lobby=$(queue "$bridge" lobby)
  key=",\"idempotency_key\":\"hello-$(word)\""
  enqueue "$lobby" "$(envelope hello "$key")"
  first=$(value id "$answer")
  say send "$(value status "$answer") at position $(value position "$answer"), pressure $(value pressure_level "$answer")"
  found=
  until [ -n "$found" ]; do found=$(outcome "$lobby" "$first"); done
  message=$(value message_id "$found")
  say outcome "$(value status "$found"): message $message after $(value attempts "$found") attempt"
  deliver "$lobby" "$(envelope 'hello, world' ",\"external_message_id\":\"$message\"" | sed 's/"send"/"edit"/')"
  say edit "$(value status "$found"): message $(value message_id "$found") after $(value attempts "$found") attempt"

  enqueue "$lobby" "$(envelope hello "$key")"
  same="another id"
  [ "$(value id "$answer")" = "$first" ] && same="the same id"
  say duplicate "$(value status "$answer"): $same, its outcome is $(value status "${answer#*'"outcome":'}")"
  enqueue "$lobby" "$(envelope 'something else' "$key")"
  say mismatch "$(code)"
  enqueue "$lobby" "$(envelope "$(head -c 262144 /dev/zero | tr '\0' x)")"
  say "too large" "$(code)"
  enqueue "$lobby" "$(envelope '')"
  say invalid "$answer"

  other=$(printf '%s-%03d' "$(api namespace)" $((($(digest "$bridge:lobby") + 1) % $(api partitions))))
  enqueue "$other" "$(envelope lost)"
  say wrong "$answer"
  enqueue "${answer#* want }" "$(envelope found)"
  say right "$(value status "$answer")"

  deliver "$lobby" "$(envelope no ',"opts":{"metadata":{"sandbox":{"fail":"terminal"}}}')"
  provider=${found#*'"provider":'}
  say failure "$(value status "$found"): $(value reason "$found"), $(value category "$found"), provider status $(value status "$provider")"

  answer=$(envelope hello "$key" | redis -x FCALL outgate_enqueue 1 "{$lobby}" 2>&1)
  case $answer in
  "{"*) say function "$(value status "$answer")" ;;
  *) say function "not on this Redis" ;;
  esac
}

# Fill a small gateway that has no worker: see the README.
pressure() {
  OUTGATE_REDIS_URL=$OUTGATE_SMALL_REDIS_URL
  small=$(queue small waiting)
  room='{"operation":"send","bridge_id":"small","external_room_id":"waiting","payload":"hello"'
  say restart "restart the small Redis now, then press Enter"
  read -r _
  enqueue "$small" "$room,\"idempotency_key\":\"$(word)\"}"
  before="the script was there"
  [ $LOADS -gt 0 ] && before=NOSCRIPT
  say restart "$before, then $(value status "$answer")"

  level=$(value pressure_level "$answer") levels=
  while [ "$level" != shed ]; do
    enqueue "$small" "$room}"
    new=$(value pressure_level "$answer")
    [ "$new" = "$level" ] || levels="$levels, $new at $(value depth "$answer")"
    level=$new
  done
  say pressure "${levels#, }"
  enqueue "$small" "$room,\"priority\":\"low\"}"
  say shed "$(code)"
  enqueue "$small" "$room}"
  enqueue "$small" "$room}"
  say full "$(code)"
}

tour
if [ -n "${OUTGATE_SMALL_REDIS_URL:-}" ]; then pressure; fi
