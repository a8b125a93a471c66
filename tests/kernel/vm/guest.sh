#!/usr/bin/env bash
# Copyright (c) 2026, wirewright contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# PID 1 of the guest, on the overlay: mount the usual file systems, run /out/job, write its exit code to /out/status.
set -euo pipefail
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8
export WIREWRIGHT_IN_VM=1
# shellcheck source=/dev/null
. /out/settings # CHECKOUT, MODULES, NAME, INTERACTIVE

mount -t proc -o nosuid,nodev,noexec proc /proc
mount -t sysfs -o nosuid,nodev,noexec sysfs /sys
mount -t cgroup2 -o nosuid,nodev,noexec cgroup2 /sys/fs/cgroup
mount -t devtmpfs -o nosuid,mode=755 devtmpfs /dev
mkdir -p /dev/pts /dev/shm /dev/net
mount -t devpts -o nosuid,noexec,gid=5,mode=620,ptmxmode=666 devpts /dev/pts
mount -t tmpfs -o nosuid,nodev tmpfs /dev/shm
mount -t tmpfs -o nosuid,nodev,mode=755 tmpfs /run
case $CHECKOUT/ in
/tmp/*) ;; # the checkout must stay visible; the overlay keeps writes
*) mount -t tmpfs -o nosuid,nodev,mode=1777 tmpfs /tmp ;;
esac
ln -sfn /proc/self/fd /dev/fd
ln -sfn /proc/self/fd/0 /dev/stdin
ln -sfn /proc/self/fd/1 /dev/stdout
ln -sfn /proc/self/fd/2 /dev/stderr
[[ -e /dev/net/tun ]] || mknod -m 666 /dev/net/tun c 10 200 # opening it loads the module
mkdir -p /run/lock /run/netns /lib/modules
# The machine may have an incomplete directory of this version: hide it.
mount -t tmpfs -o nosuid,nodev,mode=755 tmpfs /lib/modules
ln -s "$MODULES" "/lib/modules/$(uname -r)"

echo "$NAME" >/proc/sys/kernel/hostname
echo "127.0.0.1 $NAME" >>/etc/hosts
ip link set lo up

echo 1 >/sys/kernel/rcu_expedited # without it, removing a WireGuard peer takes 20 ms

cut -d' ' -f1 /proc/uptime >/out/booted
status=0
if [[ $INTERACTIVE == yes ]]; then
    setsid --ctty --wait bash -c '. /out/job; exec bash -i' </dev/hvc0 >/dev/hvc0 2>&1 || status=$?
else
    bash /out/job </dev/null >/out/stdout 2>/out/stderr || status=$?
fi
echo "$status" >/out/status
echo o >/proc/sysrq-trigger
sleep infinity # the end of PID 1 would be a panic before the power is off
