#!/usr/bin/env bash
# A client of a register on Redis, for Duress: for systems that have a command line, or speak text. Change
# `call` to talk to yours. It needs bash, and nothing else.
#
# Duress starts this program once per connection, writes one JSON message per line to its standard input, and
# reads one answer per line from its standard output. Everything else belongs on standard error.
#
# Messages from Duress have no spaces in them, and values are whole numbers: patterns are enough to read them.

TIMEOUT=1 # seconds: less than Duress waits, so that it is we who say what is in doubt
server='' # the descriptor of the connection, when there is one
CAS="if redis.call('GET',KEYS[1]) ~= ARGV[1] then return 0 end redis.call('SET',KEYS[1],ARGV[2]) return 1"

# Sends one command, once; its reply is in `reply` then. 1: it certainly has not happened; 2: it may have.
# Never repeat a command: it may be done twice.
call() {
  local request="*$#"$'\r\n' word line
  if [[ -z $server ]]; then
    # Nothing has been sent: that is certain. `refused` lets Duress rest for a moment.
    { exec {server}<>"/dev/tcp/$address/$port"; } 2>/dev/null || { server=''; why=refused; return 1; }
  fi
  for word in "$@"; do request+="\$${#word}"$'\r\n'"$word"$'\r\n'; done
  # From the first byte on nobody knows. This connection is not used again then.
  printf '%s' "$request" 2>/dev/null >&"$server" || { hang_up; why=reset; return 2; }
  IFS= read -r -t "$TIMEOUT" line <&"$server" || { hang_up; why=no-reply; return 2; }
  line=${line%$'\r'}
  case $line in
    '$-1') reply=null ;;
    '$'*) IFS= read -r -t "$TIMEOUT" reply <&"$server" || { hang_up; why=no-reply; return 2; }
          reply=${reply%$'\r'} ;;
    # Redis says some errors instead of doing anything; of the others we do not know.
    -LOADING* | -MISCONF* | -OOM* | -READONLY* | -BUSY* | -NOAUTH*) why=refused-by-redis; return 1 ;;
    -*) why=error; return 2 ;;
    *) reply=${line:1} ;;
  esac
}

hang_up() {
  exec {server}>&-
  server=''
}

# Answers one operation: id, f, key, and the rest of the value.
invoke() {
  local id=$1 f=$2 key=$3 value=$4 result how
  case $f in
    read) call GET "register-$key"; how=$?; result=$reply ;;
    write) call SET "register-$key" "$value"; how=$?; result=$value ;;
    cas)
      local pair=${value//[\[\]]/}
      call EVAL "$CAS" 1 "register-$key" "${pair%,*}" "${pair#*,}"; how=$?; result=$value
      if [[ $how == 0 && $reply != 1 ]]; then how=1 why=precondition; fi ;;
    *) how=1 why=unsupported ;;
  esac
  case $how in
    0) echo "{\"type\":\"ok\",\"id\":$id,\"value\":[$key,$result]}" ;;
    1) echo "{\"type\":\"fail\",\"id\":$id,\"error\":\"$why\"}" ;;
    *) echo "{\"type\":\"info\",\"id\":$id,\"error\":\"$why\"}" ;;
  esac
}

# A broken connection must not end this program.
trap '' PIPE

# Ends when Duress says `close`, or is gone: then there are no more lines.
while IFS= read -r line; do
  case $line in
    *'"type":"init"'*)
      [[ $line =~ \"address\":\"([^\"]*)\" ]] && address=${BASH_REMATCH[1]}
      [[ $line =~ \"port\":([0-9]+) ]] && port=${BASH_REMATCH[1]}
      port=${port:-6379}
      if [[ $line == *'"workload":"register"'* ]]; then
        echo '{"type":"init_ok"}'
      else
        echo '{"type":"fail","error":"unsupported"}'
      fi ;;
    # Make tables here, and make it no error if they are there. Redis needs nothing.
    *'"type":"setup"'*) echo '{"type":"setup_ok"}' ;;
    *'"type":"invoke"'*)
      [[ $line =~ \"id\":([0-9]+),\"f\":\"([^\"]*)\",\"value\":\[([0-9]+),(.*)\]\} ]] &&
        invoke "${BASH_REMATCH[@]:1}" ;;
    *'"type":"close"'*) exit 0 ;;
  esac
done
exit 0
