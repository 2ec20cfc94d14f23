step "Check that this may run; nothing is changed yet"
require_this_host
[ ! -e "$here/rollback.done" ] || refuse "this ran before, at $(cat "$here/rollback.done")"
[ -e "$here/upgrade.started" ] || refuse "upgrade.sh has changed nothing, so there is nothing to go back from"
say "upgrade.sh began at $(cat "$here/upgrade.started")"

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

step "Try the change without making it"
apt-get --simulate --yes --allow-downgrades --allow-change-held-packages install "${requests[@]}" \
  >"$here/rollback-simulation.txt"
printf '%s\n' "${changes[@]}" | sort >"$here/rollback-planned.txt"
announced "$here/rollback-simulation.txt" >"$here/rollback-announced.txt"
if ! diff "$here/rollback-planned.txt" "$here/rollback-announced.txt"; then
  # After half an upgrade there is less to do. What apt would do beyond that is for a person to read.
  say "this is not the exact inverse (above: < planned, > now), which is so if upgrade.sh did not end"
fi

step "Stop what uses the GPUs"
stop_gpu_users

step "Install driver ${driver_before:-none}"
date >"$here/rollback.started"
apt-mark unhold "${hold_after[@]}" || say "some were not on hold"
apt-get --yes --allow-downgrades --allow-change-held-packages install "${requests[@]}"
[ "${#held_before[@]}" -eq 0 ] || apt-mark hold "${held_before[@]}"

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
