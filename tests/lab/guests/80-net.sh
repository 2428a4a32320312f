# shellcheck shell=dash disable=SC2016,SC2034,SC2086,SC2154
# A network adapter on a tap that minivmm makes: what goes through comes out
# unchanged, both ways. An nc ends when its peer has nothing more to say, so who
# receives has an input that stays open.

tap=net$$
vm_start net $LINUX --cmdline "$CONSOLE" --net "tap:$tap"
check "a guest with a network adapter starts" vm_prompt
ip addr add 10.9.0.1/24 dev $tap
ip link set $tap up
check "the host answers its ping" vm_do 'ip link set eth0 up &&
ip addr add 10.9.0.2/24 dev eth0 && ping -c 2 -w 20 10.9.0.1'

dd if=/dev/urandom of="$scratch/sent" bs=64k count=128 2>/dev/null
nc -l -p 5001 <"$scratch/sent" &
nc_pid=$!
check "8 MB come from the host" vm_do 'nc 10.9.0.1 5001 >/tmp/got &&
sha256sum </tmp/got | sed "s/^/sum=/"'
wait $nc_pid
check "they are what was sent" vm_is sum= "$(sha256sum <"$scratch/sent")"

mkfifo "$scratch/idle"
nc -l -p 5002 >"$scratch/back" <>"$scratch/idle" &
nc_pid=$!
check "8 MB go to the host" vm_do 'nc 10.9.0.1 5002 </tmp/got'
wait $nc_pid
check "they are the same" cmp "$scratch/sent" "$scratch/back"
vm_type exit
vm_end
check "the guest powers off" vm_ended_with 0
