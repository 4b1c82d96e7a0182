#!/bin/sh
# private-nix.sh DIRECTORY COMMAND ARGUMENT...
# Runs a command that sees DIRECTORY/nix as /nix and everything else as it is. A new root of bind mounts in a
# mount namespace of its own: the machine needs no /nix, nothing of it changes, and no privilege is needed where
# user namespaces are allowed. Every process is replaced by the next, so the command keeps the process id.
set -eu
if [ "$1" != --inside ]; then
  map=
  [ "$(id -u)" = 0 ] || map=--map-root-user
  exec unshare $map --mount --propagation private "$0" --inside "$@"
fi
directory=$2
shift 2
new=$directory/mount
mount -t tmpfs -o mode=755 tmpfs "$new"
# Otherwise the bind mount of the tree that holds it would hold it again.
mount --make-unbindable "$new"
for entry in /* /.[!.]*; do
  if [ "$entry" = /nix ]; then
    :
  elif [ -L "$entry" ]; then
    cp -P "$entry" "$new$entry"
  elif [ -d "$entry" ] && [ -x "$entry" ]; then
    mkdir "$new$entry"
    mount --rbind "$entry" "$new$entry"
  elif [ -f "$entry" ]; then
    : >"$new$entry"
    mount --bind "$entry" "$new$entry"
  fi
done
mkdir "$new/nix"
mount --bind "$directory/nix" "$new/nix"
if [ -d "$directory/overlay" ]; then
  layers=lowerdir=/nix/store,upperdir=$directory/nix/store,workdir=$directory/overlay
  mount -t overlay -o "$layers" overlay "$new/nix/store" 2>/dev/null ||
    mount -t overlay -o "$layers,userxattr" overlay "$new/nix/store"
fi
exec chroot "$new" env -C "$PWD" "$@"
