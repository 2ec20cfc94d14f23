# shellcheck shell=bash
# What both scripts begin with. Above this line, the plan's values were written.

number=0

step() {
  number=$((number + 1))
  printf '\n[%s] %s\n' "$number" "$*"
}

say() {
  printf '    %s\n' "$@"
}

refuse() {
  printf '\nrefused: %s\n' "$*" >&2
  exit 1
}

# A command failed that should not have.
failed() {
  [ "$BASH_SUBSHELL" -eq 0 ] || return 0 # the shell above tells it
  printf '\nfailed in step %s (line %s).\n' "$number" "$1" >&2
  if [ -e "$here/upgrade.started" ]; then
    printf 'Packages may have changed. Do not reboot. To go back: %s/rollback.sh\n' "$here" >&2
  else
    printf 'No package was changed. Mend the cause, and run this again.\n' >&2
  fi
}
trap 'failed "$LINENO"' ERR

require_this_host() {
  [ "$(id -u)" -eq 0 ] || refuse "run this as root"
  local found
  found=$(printf '%s%s' "$machine_salt" "$(cat "$root/etc/machine-id")" | sha256sum | cut -d ' ' -f 1)
  [ "$found" = "$machine" ] || refuse "this plan was made for $host, and this is another machine"
  say "this is $host"
}

# Reduce what apt-get --simulate says to lines of: name, version before, version after.
announced() {
  sed -nE \
    -e 's/^Inst ([^ ]+) \[([^] ]+)\] \(([^ )]+).*/\1 \2 \3/p' \
    -e 's/^Inst ([^ ]+) \(([^ )]+).*/\1 - \2/p' \
    -e 's/^(Remv|Purg) ([^ ]+) \[([^] ]+)\].*/\2 \3 -/p' "$1" | sort
}

# The version of a package that is installed, or nothing: what is left of a removed one has a version too.
installed_version() {
  { dpkg-query -W -f "\${db:Status-Status} \${Version}\n" "$1" 2>/dev/null || true; } | sed -n 's/^installed //p'
}

# A kept package's file. File names write a colon as %3a; dpkg-repack leaves out what is before it.
kept_file() {
  local file
  for file in "$here/kept/${1%%:*}_${2//:/%3a}_"*.deb "$here/kept/${1%%:*}_${2#*:}_"*.deb; do
    [ ! -e "$file" ] || { printf '%s\n' "$file" && return 0; }
  done
  return 1
}

stop_gpu_users() {
  local service remaining
  for service in "${services[@]}"; do
    say "systemctl stop $service"
    systemctl stop "$service" || say "it did not stop; what still computes shows below"
  done
  remaining=$(nvidia-smi --query-compute-apps=pid,process_name --format=csv,noheader 2>/dev/null) || remaining=
  remaining=$(printf '%s\n' "$remaining" | grep -E '^ *[0-9]+,' || true)
  if [ -n "$remaining" ]; then
    for service in "${services[@]}"; do
      say "systemctl start $service"
      systemctl start "$service"
    done
    printf '\nStill on the GPUs:\n%s\n' "$remaining" >&2
    [ "${#others[@]}" -eq 0 ] || printf 'Recorded without a service: %s\n' "${others[@]}" >&2
    refuse "ask their owners to end these processes; the services were started again"
  fi
  say "nothing computes on the GPUs"
}

# The kernel that starts next: the default one, or else the one that runs.
next_kernel() {
  local default
  if default=$(readlink -f "$root/boot/vmlinuz") && [ -e "$default" ]; then
    basename "$default" | sed 's/^vmlinuz-//'
  else
    uname -r
  fi
}

module_of() {
  modinfo -k "$1" -F version nvidia 2>/dev/null || printf 'none\n'
}

check_modules() {
  local next found
  next=$(next_kernel)
  found=$(module_of "$next")
  if [ "$found" != "$1" ]; then
    dkms status 2>/dev/null || true
    refuse "for kernel $next, which starts next, the nvidia module is $found and not $1; do not reboot. \
See dkms status, and /var/lib/dkms/nvidia/*/build/make.log"
  fi
  say "kernel $next, which starts next, has nvidia $found"
  found=$(module_of "$(uname -r)")
  [ "$found" = "$1" ] || say "kernel $(uname -r), which runs now, has nvidia $found: do not choose it at the start"
  update-initramfs -u -k "$next"
}
