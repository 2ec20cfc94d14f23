step "Check that this may run; nothing is changed yet"
require_this_host
[ ! -e "$here/rollback.done" ] || refuse "this ran before, at $(cat "$here/rollback.done")"
[ -e "$here/upgrade.started" ] || refuse "upgrade.sh has changed nothing, so there is nothing to go back from"
say "upgrade.sh began at $(cat "$here/upgrade.started")"
# dpkg that was broken off in the middle wants to end what it began, before apt does anything.
if [ -n "$(ls -A "$root/var/lib/dpkg/updates" 2>/dev/null)" ]; then
  change dpkg --configure -a || say "not all could be configured, which the way back does not need"
fi
# A package that was cut off while it was unpacked cannot be removed but by force, says dpkg.
for each in "${changes[@]}"; do
  read -r name _ _ <<<"$each"
  state=$(dpkg-query -W -f "\${db:Status-Eflag}\n" "${name%%:*}" 2>/dev/null || true)
  [[ $state != *reinstreq* ]] || change dpkg --remove --force-remove-reinstreq --force-depends "$name"
done

step "Find the packages of before"
requests=()
for each in "${changes[@]}"; do
  read -r name _ after <<<"$each"
  if [ "$after" = - ]; then
    requests+=("$name-")
  elif file=$(kept_file "$name" "$after"); then
    requests+=("$file")
  else
    requests+=("$name=$after")
  fi
done
say "${requests[@]}"
if [ -n "$installer" ]; then
  run_file=$(kept_installer) || refuse "put the file of NVIDIA's installer back: $here/kept/NVIDIA-Linux-$(uname -m)-$driver_before.run"
  say "$run_file"
fi

step "Try the change without making it"
# Everything is asked for by name, so nothing has to come along because something recommends it.
if ! simulate "$here/rollback-simulation.txt" --no-install-recommends --allow-downgrades install "${requests[@]}"; then
  refuse "apt cannot go back so (see above); mend what it names, and run this again"
fi
printf '%s\n' "${changes[@]}" | sort >"$here/rollback-planned.txt"
announced "$here/rollback-simulation.txt" >"$here/rollback-announced.txt"
if ! diff "$here/rollback-planned.txt" "$here/rollback-announced.txt"; then
  # After half an upgrade there is less to do. What apt would do beyond that is for a person to read.
  if [ -e "$here/upgrade.done" ]; then
    say "this is not the exact inverse (above: < planned, > now): packages were changed after upgrade.sh ended"
  else
    say "this is not the exact inverse (above: < planned, > now), because upgrade.sh did not end"
  fi
fi

step "Stop what uses the GPUs"
stop_gpu_users

step "Install driver ${driver_before:-none}"
if [ "$dry" = no ]; then
  date >"$here/rollback.started"
  note_start rollback
fi
change apt-mark unhold "${hold_after[@]}" || say "some were not on hold"
change apt-get --yes --no-install-recommends --allow-downgrades --ignore-hold --allow-change-held-packages install "${requests[@]}"
[ -z "$installer" ] || change sh "$run_file" --silent
# What was asked for by name counts as wanted by a person; what was not so before is not so again.
[ "${#auto_before[@]}" -eq 0 ] || change apt-mark auto "${auto_before[@]}"
[ "${#held_before[@]}" -eq 0 ] || change apt-mark hold "${held_before[@]}"
[ "$dry" = no ] || end_dry_run

step "Check the packages and the kernel module"
for each in "${changes[@]}"; do
  read -r name _ after <<<"$each"
  found=$(installed_version "$name")
  [ "${found:--}" = "$after" ] || refuse "$name is ${found:-not installed}, and it was $after"
done
say "every package has the version that was recorded"
[ -z "$driver_before" ] || check_modules "$driver_before"

date >"$here/rollback.done"
step "What is left to $owner"
say "1. systemctl reboot" "then: upgrade_gates driver verify --rolled-back"
