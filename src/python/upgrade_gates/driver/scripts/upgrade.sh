step "Check that this may run; nothing is changed yet"
require_this_host
[ ! -e "$here/upgrade.started" ] || refuse "this ran before, at $(cat "$here/upgrade.started"). To go back: \
$here/rollback.sh --yes. To go on from here: upgrade_gates record, then upgrade_gates driver plan"
[ -e "$here/rollback.sh" ] || object "there is no way back yet; write it: upgrade_gates driver rollback-plan"
now=$(date +%s)
if [ "$now" -ge "$window_start" ] && [ "$now" -lt "$window_end" ]; then
  say "the window is open ($window_words), and $owner is responsible"
elif [ "$dry" = yes ]; then
  say "it is $(date), and the window is $window_words: --yes runs in it alone"
else
  refuse "it is $(date), and the window is $window_words"
fi
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
change apt-get update

step "Try the change without making it"
if ! simulate "$here/simulation.txt" install "${selection[@]}"; then
  refuse "apt cannot do what was planned any more (see above); where the archive has moved on, record again: \
upgrade_gates record, then upgrade_gates driver plan and driver rollback-plan"
fi
printf '%s\n' "${changes[@]}" | sort >"$here/planned.txt"
announced "$here/simulation.txt" >"$here/announced.txt"
if ! diff "$here/planned.txt" "$here/announced.txt"; then
  refuse "apt would change other packages than it was planned (above: < planned, > now); record again, and make a \
new plan"
fi
say "apt would do exactly what was planned: ${#changes[@]} packages"
held_now=$(apt-mark showhold)
for each in "${changes[@]}"; do
  read -r name _ _ <<<"$each"
  if grep -qxF -- "$name" <<<"$held_now" && ! printf '%s\n' "${held_before[@]}" | grep -qxF -- "$name"; then
    refuse "$name was put on hold after the record; release it (apt-mark unhold $name), or record again"
  fi
done

step "Keep the present packages, for the way back"
[ "$dry" = yes ] || mkdir -p "$here/kept"
missing=()
for each in "${changes[@]}"; do
  read -r name before _ <<<"$each"
  [ "$before" != - ] || continue
  if kept_file "$name" "$before" >/dev/null; then
    say "kept already: $name $before"
  elif [ "$dry" = yes ]; then
    if apt-get --print-uris download "$name=$before" >/dev/null 2>&1; then
      say "would keep $name $before"
    elif command -v dpkg-repack >/dev/null; then
      say "would make $name $before with dpkg-repack: the archive has it no more"
    else
      missing+=("$name")
    fi
  else
    cp "$root/var/cache/apt/archives/${name%%:*}_${before//:/%3a}_"*.deb "$here/kept/" 2>/dev/null || true
    kept_file "$name" "$before" >/dev/null || (cd "$here/kept" && apt-get download "$name=$before") || true
    if ! kept_file "$name" "$before" >/dev/null && command -v dpkg-repack >/dev/null; then
      (cd "$here/kept" && dpkg-repack "$name") || true
    fi
    if kept_file "$name" "$before" >/dev/null; then
      say "kept $name $before"
    else
      missing+=("$name")
    fi
  fi
done
[ "${#missing[@]}" -eq 0 ] ||
  object "no longer to be had, so there would be no way back: ${missing[*]}. Make them from what is installed: \
apt-get install dpkg-repack; (mkdir -p $here/kept && cd $here/kept && dpkg-repack ${missing[*]}). Then run this again"
if [ -n "$installer" ]; then
  if file=$(kept_installer); then
    say "kept $file"
  else
    object "driver $driver_before came from NVIDIA's installer, and its file is the only way back; put it here: \
$here/kept/NVIDIA-Linux-$(uname -m)-$driver_before.run. Then run this again"
  fi
fi

step "Fetch the new packages"
change apt-get --download-only --yes --ignore-hold --allow-change-held-packages install "${selection[@]}"

step "Stop what uses the GPUs"
stop_gpu_users

step "Install driver $driver_after"
if [ "$dry" = no ]; then
  date >"$here/upgrade.started"
  note_start upgrade
fi
[ "${#held_before[@]}" -eq 0 ] || change apt-mark unhold "${held_before[@]}"
[ -z "$installer" ] || change "$root$installer" --silent
change apt-get --yes install "${selection[@]}"

step "Hold the new packages, so that nothing but the next plan changes them"
change apt-mark hold "${hold_after[@]}"

step "Check the kernel module, and put it into the initramfs"
if [ "$dry" = yes ]; then
  say "would check that kernel $(next_kernel), which starts next, has nvidia $driver_after (now: \
$(module_of "$(next_kernel)"))" "would run: update-initramfs -u -k $(next_kernel)"
else
  check_modules "$driver_after"
fi

step "Secure Boot"
key=$root/var/lib/shim-signed/mok/MOK.der       # Ubuntu's
[ -e "$key" ] || key=$root/var/lib/dkms/mok.pub # Debian's
enrol=no
if [ "$secure_boot" = disabled ] || [ "$secure_boot" = unsupported ]; then
  say "it is $secure_boot: nothing to do"
elif [ "$modules" = ready-made ]; then
  say "it is $secure_boot; the modules are signed by the distribution: nothing to do"
else
  # The words decide: the exit code for the same answer was turned round between versions of mokutil.
  answer=$(mokutil --test-key "$key" 2>&1 || true)
  case $answer in
    *"not enrolled"*)
      enrol=yes
      say "it is $secure_boot, and the key that signs the modules is not enrolled (see below)"
      ;;
    *"blocked"*)
      object "it is $secure_boot, and the key that signs the modules is blocked ($answer): the module would not load. Do not \
reboot; to go back: $here/rollback.sh --yes"
      ;;
    *"already in the enrollment request"*)
      enrol=asked
      say "it is $secure_boot; that the key is enrolled was asked for already, and is done at the next start (see below)"
      ;;
    *"already enrolled"* | *"already in db"* | *"already in the built-in trusted keyring"*)
      say "it is $secure_boot; the key that signs the modules is enrolled: nothing to do"
      ;;
    *)
      enrol=unknown
      say "it is $secure_boot, and whether the key that signs the modules is enrolled is unknown (see below): ${answer:-no answer}"
      ;;
  esac
fi

[ "$dry" = no ] || end_dry_run
date >"$here/upgrade.done"
step "What is left to $owner"
case $enrol in
  yes)
    say "1. mokutil --import $key    (it asks for a password, which is needed once)" \
      "2. have the machine's own console at hand: SSH does not show what comes next" \
      "3. systemctl reboot, and in the blue screen: Enroll MOK, Continue, Yes, the password, Reboot"
    ;;
  asked)
    say "1. have the machine's own console at hand: SSH does not show what comes next" \
      "2. systemctl reboot, and in the blue screen: Enroll MOK, Continue, Yes, the password, Reboot"
    ;;
  unknown)
    say "1. mokutil --test-key $key    must say that it is enrolled; if not: mokutil --import $key, and have the" \
      "   machine's own console at hand for the blue screen at the next start: Enroll MOK" \
      "2. systemctl reboot"
    ;;
  no) say "1. systemctl reboot" ;;
esac
say "then: upgrade_gates driver verify" "to go back instead: $here/rollback.sh --yes"
