/** Scripts that bring the agent to a machine and start it. Each is whole or nothing, and may be done again. */
import { AGENT_USER } from './files.ts'

/** $1 base, $2 the program's hash; the program comes on stdin. */
export const PUSH_PROGRAM = `
set -eu
umask 022
mkdir -p "$1"
cat > "$1/$2.new"
echo "$2  $1/$2.new" | sha256sum -c --quiet -
mv -f "$1/$2.new" "$1/$2.mjs"
`

/** $1 base, $2 state, $3 hash, $4 version, $5 isSystem, $6 node name, $7 settings; the token comes on stdin. */
export const START_AGENT = `
set -eu
umask 077
mkdir -p "$1"
cat > "$1/token.new"
if [ "$5" = yes ]; then chown root:${AGENT_USER} "$1/token.new"; chmod 0640 "$1/token.new"; fi
mv -f "$1/token.new" "$1/token"
printf '%s\\n' "TDF_NODE_NAME=$6" TDF_LOGIN_SHELL=yes $7 > "$1/env"
ln -sfn "$3.mjs" "$1/current.new"
mv -fT "$1/current.new" "$1/current.mjs"
printf '%s\\n' "$4" > "$1/version"
for old in "$1"/*.mjs; do
  case $old in "$1/current.mjs" | "$1/$3.mjs") ;; *) rm -f "$old" ;; esac
done
if [ "$5" = yes ]; then
  rm -f "$2/listen.json"
  systemctl enable -q tdf-agent.service
  systemctl restart tdf-agent.service || { journalctl -u tdf-agent.service -n 5 -o cat --no-pager >&2; exit 1; }
else
  pid=$(sed -n 's/.*"pid":\\([0-9]*\\).*/\\1/p' "$2/listen.json" 2>/dev/null || true)
  if [ -n "$pid" ] && tr '\\0' ' ' < "/proc/$pid/cmdline" 2>/dev/null | grep -q "$1/current.mjs"; then
    kill "$pid"
    for try in $(seq 100); do [ -d "/proc/$pid" ] || break; sleep 0.1; done
  fi
  rm -f "$2/listen.json"
  export TDF_LOGIN_SHELL=yes $7
  setsid nohup node "$1/current.mjs" --listen 127.0.0.1:0 --state "$2" --token-file "$1/token" --name "$6" \\
    >> "$1/agent.log" 2>&1 < /dev/null &
fi
for try in $(seq 150); do [ -s "$2/listen.json" ] && exit 0; sleep 0.1; done
echo "the agent did not begin to listen within 15 s" >&2
if [ "$5" = yes ]; then journalctl -u tdf-agent.service -n 5 -o cat --no-pager >&2; else tail -n 5 "$1/agent.log" >&2; fi
exit 1
`

/** $1 base, $2 the name under which it is remembered; the script of the user comes on stdin and runs once. */
export const RUN_ONCE = `
set -eu
mkdir -p "$1/done"
[ ! -e "$1/done/$2" ] || exit 0
exec 9> "$1/done.lock"
flock 9
[ ! -e "$1/done/$2" ] || exit 0
sh -e > "$1/$2.log" 2>&1 9>&- || { code=$?; tail -n 5 "$1/$2.log" >&2; exit "$code"; }
touch "$1/done/$2"
`
