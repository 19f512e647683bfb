# Steps that provide programs. Each prints one line first. Its output goes to a log, and to the screen only if the step
# fails. scripts/setup sources this, and so does every other script that installs Debian packages.

cache="${XDG_CACHE_HOME:-$HOME/.cache}/wstp"
log="$cache/setup.log"
mkdir -p "$cache"

say() { printf '%s: %s\n' "${speaker:-setup}" "$*" >&2; }
have() { command -v "$1" >/dev/null 2>&1; }
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

quietly() { logged "$@" || explain "$@"; }

# Runs a command; its output becomes the end of the log.
logged() { # command...
  printf -- '--- %s\n' "$*" >> "$log"
  step=$(wc -l < "$log")
  "$@" >> "$log" 2>&1 < /dev/null
}

# The output of the last command that was logged.
logged_output() { tail -n "+$((step + 1))" "$log"; }

# Says why the last command that was logged failed; fails itself.
explain() { # command...
  say "this failed: $*"
  logged_output | tail -n 40 | sed 's/^/    /' >&2
  say "the whole output is in $log"
  return 1
}

apt_updated=
install_packages() { # why, packages...
  have apt-get || { say "$1: this is no Debian; please install the equivalent of: ${*:2}"; return 1; }
  say "$1: installing ${*:2} (Debian packages)"
  if [ -z "$apt_updated" ]; then apt_get update || return; apt_updated=yes; fi
  apt_get install --yes --no-install-recommends "${@:2}"
}

# apt-get, once no other program uses apt. A fresh system updates itself in its first minutes.
apt_get() { # arguments...
  local command=(as_root env LC_ALL=C DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 "$@")
  local limit="${WSTP_APT_WAIT:-900}" began=$SECONDS next_word=0 waited holder
  until logged "${command[@]}"; do
    holder=$(lock_holder)
    [ -n "$holder" ] || { explain "${command[@]}"; return; }
    waited=$((SECONDS - began))
    if [ "$waited" -ge "$limit" ]; then
      say "$holder still uses apt after $waited s, so nothing was installed. Run this again when it is done."
      return 1
    fi
    if [ "$waited" -ge "$next_word" ]; then
      say "$holder uses apt: waiting for it ($waited s so far, at most $limit s)"
      next_word=$((waited + 60))
    fi
    sleep 1
  done
}

# The program that holds the lock that the last apt-get did not get; nothing if it failed for another cause.
lock_holder() {
  logged_output | sed -nE \
    -e 's/^E: Could not get lock .* held by process ([0-9]+) \((.*)\)$/\2 (process \1)/p; t' \
    -e 's/^E: Could not get lock .*/another program/p' | head -n 1
}
