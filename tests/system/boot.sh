#!/bin/bash
# Becomes a systemd of its own: process 1 of the namespaces that `unshare` has made, on a copy of this machine's files
# that is forgotten with it. Called by booted.py; the first argument is an empty folder, the others say what is
# to be read there.
set -eu
place=$1 root=$1/root
shift

mount --make-rprivate /
mount -t tmpfs -o mode=755 tmpfs "$place"
mkdir "$place/upper" "$place/work" "$root"
mount -t overlay -o "lowerdir=/,upperdir=$place/upper,workdir=$place/work" overlay "$root"
cd "$root"
over() { # FROM TO: a folder, with an upper one that is forgotten
    number=$((number + 1))
    mkdir -p "$place/upper$number" "$place/work$number" "$root$2"
    mount -t overlay -o "lowerdir=$1,upperdir=$place/upper$number,workdir=$place/work$number" overlay "$root$2"
}
number=0
for pair in "$@"; do # FROM=TO: an ordinary user is to read it, wherever this machine has it
    from=${pair%%=*} folder=${pair#*=}
    # What is not on the root file system does not come along by itself.
    [ "$from" = "$folder" ] && [ -n "$(ls -A "$root$folder")" ] || over "$from" "$folder"
    while [ "$folder" != / ]; do
        chmod -f o+rx "$root$folder" || true
        folder=$(dirname "$folder")
    done
done
mount -t proc proc proc
mount --bind proc/sys proc/sys
mount -o remount,bind,ro proc/sys # the kernel is everybody's
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs -o mode=1777 tmpfs tmp
mount -t tmpfs -o mode=755 tmpfs dev
for name in null zero full random urandom tty; do
    touch "dev/$name"
    mount --bind "/dev/$name" "dev/$name"
done
ln -s /proc/self/fd dev/fd
mkdir dev/shm

# Nothing starts but what is asked for, and the journal.
rm -rf lib/systemd/system/*.wants etc/systemd/system/*.wants
printf '[Unit]\nWants=systemd-journald.service\n' >etc/systemd/system/alone.target
: >etc/fstab
mkdir -p etc/systemd/system-generators
for generator in lib/systemd/system-generators/*; do
    ln -s /dev/null "etc/systemd/system-generators/${generator##*/}"
done
echo 'jobsched:x:64123:64123::/var/lib/jobsched:/usr/sbin/nologin' >>etc/passwd
echo 'jobsched:x:64123:' >>etc/group

mkdir old
pivot_root . old
umount -l old
echo "begins"
exec env -i container=jobsched PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    /lib/systemd/systemd --system --unit=alone.target --log-target=journal </dev/null
