step "Check that this may run; nothing is changed yet"
require_this_host
[ ! -e "$here/upgrade.started" ] || refuse "this ran before, at $(cat "$here/upgrade.started"). To go back: \
$here/rollback.sh. To go on from here: upgrade_gates record, then upgrade_gates driver plan"
[ -e "$here/rollback.sh" ] || refuse "there is no way back yet; write it: upgrade_gates driver rollback-plan"
now=$(date +%s)
{ [ "$now" -ge "$window_start" ] && [ "$now" -lt "$window_end" ]; } ||
  refuse "it is $(date), and the window is $window_words"
say "the window is open ($window_words), and $owner is responsible"
[ "$(uname -r)" = "$kernel" ] ||
  refuse "the kernel is $(uname -r), and the record has $kernel; record again, and make a new plan"
for each in "${changes[@]}"; do
  read -r name before _ <<<"$each"
  found=$(installed_version "$name")
  [ "${found:--}" = "$before" ] ||
    refuse "$name is ${found:-not installed}, and the record has $before; record again, and make a new plan"
done
say "kernel and packages are as they were recorded"

step "Fetch the package lists"
apt-get update

step "Try the change without making it"
apt-get --simulate --yes --allow-change-held-packages install "${selection[@]}" >"$here/simulation.txt"
printf '%s\n' "${changes[@]}" | sort >"$here/planned.txt"
announced "$here/simulation.txt" >"$here/announced.txt"
if ! diff "$here/planned.txt" "$here/announced.txt"; then
  refuse "apt would change other packages than it was planned (above: < planned, > now); make a new plan"
fi
say "apt would do exactly what was planned: ${#changes[@]} packages"

step "Keep the present packages, for the way back"
mkdir -p "$here/kept"
for each in "${changes[@]}"; do
  read -r name before _ <<<"$each"
  [ "$before" != - ] || continue
  if [ -z "$(kept_file "$name" "$before" || true)" ]; then
    cp "$root/var/cache/apt/archives/${name%%:*}_${before//:/%3a}_"*.deb "$here/kept/" 2>/dev/null ||
      (cd "$here/kept" && apt-get download "$name=$before") ||
      refuse "$name $before is no longer to be had, so there would be no way back. Make the package from what \
is installed: apt-get install dpkg-repack; (cd $here/kept && dpkg-repack $name). Then run this again"
  fi
  say "kept $name $before"
done

step "Stop what uses the GPUs"
stop_gpu_users

step "Install driver $driver_after"
date >"$here/upgrade.started"
[ "${#held_before[@]}" -eq 0 ] || apt-mark unhold "${held_before[@]}"
apt-get --yes --allow-change-held-packages install "${selection[@]}"

step "Hold the new packages, so that nothing but the next plan changes them"
apt-mark hold "${hold_after[@]}"

step "Check the kernel module, and put it into the initramfs"
check_modules "$driver_after"

step "Secure Boot"
key=$root/var/lib/shim-signed/mok/MOK.der       # Ubuntu's
[ -e "$key" ] || key=$root/var/lib/dkms/mok.pub # Debian's
enrol=no
if [ "$secure_boot" = disabled ] || [ "$secure_boot" = unsupported ]; then
  say "it is $secure_boot: nothing to do"
elif [ "$modules" = ready-made ]; then
  say "it is $secure_boot; the modules are signed by the distribution: nothing to do"
elif mokutil --test-key "$key" 2>/dev/null | grep -q 'already enrolled'; then
  say "it is $secure_boot; the key that signed the modules is enrolled: nothing to do"
else
  enrol=yes
  say "it is $secure_boot, and the key that signed the modules is not enrolled (see below)"
fi

date >"$here/upgrade.done"
step "What is left to $owner"
if [ "$enrol" = yes ]; then
  say "1. mokutil --import $key    (it asks for a password, which is needed once)" \
    "2. have the machine's own console at hand: SSH does not show what comes next" \
    "3. systemctl reboot, and in the blue screen: Enroll MOK, Continue, Yes, the password, Reboot"
else
  say "1. systemctl reboot"
fi
say "then: upgrade_gates driver verify" "to go back instead: $here/rollback.sh"
