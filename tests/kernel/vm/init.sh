#!/bin/sh
# Copyright (c) 2026, wirewright contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# First program of the guest, run by busybox in the initrd: mount the machine's file system read-only, as the lower layer of
# an overlay, and switch to it. A failure ends PID 1 and so the guest.
set -e
export PATH=/bin
mount -t proc proc /proc
mount -t devtmpfs dev /dev
for module in /modules/*; do insmod "$module"; done

# LOWER comes from the kernel's command line
case ${LOWER:-} in
virtiofs) mount -t virtiofs -o ro machine /lower ;;
*) mount -t 9p -o ro,trans=virtio,version=9p2000.L,msize=512000,cache=loose machine /lower ;;
esac
mount -t tmpfs -o mode=755 changes /changes
mkdir /changes/upper /changes/work
mount -t overlay -o lowerdir=/lower,upperdir=/changes/upper,workdir=/changes/work overlay /root
mkdir -p /root/out
mount -t 9p -o rw,trans=virtio,version=9p2000.L,msize=512000 out /root/out
exec switch_root /root /bin/bash /out/guest
