# shellcheck shell=bash
# What both scripts begin with. Above this line, the plan's values were written.

number=0
objections=0
dry=

usage() {
  printf 'usage: %s --dry-run | --yes\n' "$0"
  printf '  --dry-run  show every step, and what apt would do; change nothing on this host\n'
  printf '  --yes      change the driver\n'
}

choose_mode() {
  case "$#:${1:-}" in
    1:--dry-run) dry=yes ;;
    1:--yes) dry=no ;;
    1:--help | 1:-h)
      usage
      exit 0
      ;;
    0:)
      printf 'refused: nothing is changed without --yes\n' >&2
      usage >&2
      exit 2
      ;;
    *)
      printf 'refused: unknown arguments: %s\n' "$*" >&2
      usage >&2
      exit 2
      ;;
  esac
}

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

# A reason not to go on. A dry run reports it and shows the other steps too.
object() {
  [ "$dry" = yes ] || refuse "$*"
  objections=$((objections + 1))
  say "--yes would be refused here: $*"
}

# Run a command that changes this host; a dry run shows it.
change() {
  if [ "$dry" = yes ]; then
    printf '    would run:'
    printf ' %q' "$@"
    printf '\n'
  else
    "$@"
  fi
}

end_dry_run() {
  printf '\nDry run: nothing was changed.\n'
  [ "$objections" -eq 0 ] || refuse "$objections times above; mend that before the window"
  exit 0
}

# A command failed that should not have.
failed() {
  [ "$BASH_SUBSHELL" -eq 0 ] || return 0 # the shell above tells it
  printf '\nfailed in step %s (line %s).\n' "$number" "$1" >&2
  if [ -e "$here/upgrade.started" ]; then
    printf 'Packages may have changed. Do not reboot. To go back: %s/rollback.sh --yes\n' "$here" >&2
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

# Note in which start of this machine packages were changed, so that a reboot after it can be seen.
note_start() {
  cat "$root/proc/sys/kernel/random/boot_id" >"$here/$1.boot_id" 2>/dev/null || true
}

# Ask apt what it would do, and keep it in a file. Holds are released later by name, so they are
# ignored here: apt would rather fail than remove a held package.
simulate() {
  local file=$1
  shift
  if apt-get --simulate --yes --ignore-hold --allow-change-held-packages "$@" >"$file" 2>"$file.errors"; then
    [ "$dry" = no ] || sed -n 's/^\(Inst\|Remv\|Purg\|Conf\) /    apt: &/p' "$file"
    return 0
  fi
  sed 's/^/    /' "$file.errors" >&2
  return 1
}

# Reduce what apt-get --simulate says to lines of: name, version before, version after.
announced() {
  sed -nE \
    -e 's/^Inst ([^ ]+) \[([^] ]+)\] \(([^ )]+).*/\1 \2 \3/p' \
    -e 's/^Inst ([^ ]+) \(([^ )]+).*/\1 - \2/p' \
    -e 's/^(Remv|Purg) ([^ ]+) \[([^] ]+)\].*/\2 \3 -/p' "$1" | sort
}

# The version of a package that is installed, or nothing. A package of the same name for another
# architecture is another package; a name without one is of this machine's own.
installed_version() {
  local name=${1%%:*} wanted=$native architecture status version
  [ "$name" = "$1" ] || wanted=${1##*:}
  while read -r architecture status version; do
    case $architecture:$status in
      *:not-installed | *:config-files) ;;
      "$wanted":installed | all:installed | "$wanted":triggers-* | all:triggers-*) printf '%s\n' "$version" ;;
      "$wanted":* | all:*) printf '%s (%s)\n' "$version" "$status" ;;
    esac
  done < <(dpkg-query -W -f "\${Architecture} \${db:Status-Status} \${Version}\n" "$name" 2>/dev/null || true)
}

# A kept package's file. File names write a colon as %3a; dpkg-repack leaves out what is before it.
# A file that was cut short has no version that could be read.
kept_file() {
  local name=${1%%:*} architectures=("$native" all) architecture version file
  [ "$name" = "$1" ] || architectures=("${1##*:}")
  for architecture in "${architectures[@]}"; do
    for version in "${2//:/%3a}" "${2#*:}"; do
      file=$here/kept/${name}_${version}_$architecture.deb
      if [ -e "$file" ] && [ "$(dpkg-deb --field "$file" Version 2>/dev/null || true)" = "$2" ]; then
        printf '%s\n' "$file"
        return 0
      fi
    done
  done
  return 1
}

# The file of NVIDIA's own installer that brought the present driver.
kept_installer() {
  local file
  for file in "$here/kept/NVIDIA-Linux-"*"-$driver_before"*.run; do
    [ -e "$file" ] || continue
    sh "$file" --check >/dev/null 2>&1 || refuse "$file is damaged: its own --check fails"
    printf '%s\n' "$file"
    return 0
  done
  return 1
}

stop_gpu_users() {
  local service remaining
  for service in "${services[@]}"; do
    if [ "$dry" = yes ]; then
      say "would run: systemctl stop $service"
      continue
    fi
    say "systemctl stop $service"
    systemctl stop "$service" || say "it did not stop; what still computes shows below"
  done
  remaining=$(nvidia-smi --query-compute-apps=pid,process_name --format=csv,noheader 2>/dev/null) || remaining=
  remaining=$(printf '%s\n' "$remaining" | grep -E '^ *[0-9]+,' || true)
  if [ -z "$remaining" ]; then
    say "nothing computes on the GPUs"
  elif [ "$dry" = yes ]; then
    say "these compute on the GPUs now, and must have ended when the services are stopped:"
    printf '%s\n' "$remaining" | sed 's/^/      /'
  else
    for service in "${services[@]}"; do
      say "systemctl start $service"
      systemctl start "$service"
    done
    printf '\nStill on the GPUs:\n%s\n' "$remaining" >&2
    [ "${#others[@]}" -eq 0 ] || printf 'Recorded without a service: %s\n' "${others[@]}" >&2
    refuse "ask their owners to end these processes (systemctl status PID tells of each what started it); the \
services were started again"
  fi
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

# The version of the module that a kernel loads as nvidia. Debian's packages call it nvidia-current
# or nvidia-tesla-535, and tell modprobe so.
module_of() {
  local name
  name=$(modprobe --set-version "$1" --show-depends nvidia 2>/dev/null |
    sed -nE 's/^install .*modprobe .*(nvidia-[a-z0-9-]+).*/\1/p' | tail -n 1 || true)
  modinfo -k "$1" -F version "${name:-nvidia}" 2>/dev/null || printf 'none\n'
}

check_modules() {
  local next found
  next=$(next_kernel)
  found=$(module_of "$next")
  if [ "$found" != "$1" ]; then
    dkms status 2>/dev/null || true
    refuse "for kernel $next, which starts next, the nvidia module is $found and not $1; do not reboot. \
See dkms status, and /var/lib/dkms/nvidia*/*/build/make.log. To go back: $here/rollback.sh --yes"
  fi
  say "kernel $next, which starts next, has nvidia $found"
  found=$(module_of "$(uname -r)")
  [ "$found" = "$1" ] || say "kernel $(uname -r), which runs now, has nvidia $found: do not choose it at the start"
  update-initramfs -u -k "$next"
}

choose_mode "$@"
native=$(dpkg --print-architecture)
