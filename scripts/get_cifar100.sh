#!/bin/sh
# Puts CIFAR100 (binary version: train.bin, test.bin and the label names) into a folder.
set -eu

url=https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz
train_sum=f31298fc616915fa142368359df1c4ca2ae984d6915ca468b998a5ec6aeebf29
test_sum=d8b1e6b7b3bee4020055f0699b111f60b1af1e262aeb93a0b659061746f8224a

usage() {
  cat <<EOF
Usage: get_cifar100.sh [ARCHIVE | --url URL] [DIR]
  ARCHIVE    a local tar.gz or tar.xz with train.bin and test.bin (in cifar-100-binary/ or at the top)
  --url URL  where to download the archive (default: $url)
  DIR        where the files go (default: data/cifar-100)
The script checks the SHA-256 of the files before it moves them to DIR. It keeps files that already match.
EOF
}

die() {
  echo "get_cifar100.sh: $*" >&2
  exit 1
}

die_usage() {
  echo "get_cifar100.sh: $*; get_cifar100.sh -h shows the usage" >&2
  exit 2
}

checksum() {
  sha256sum <"$1" | cut -d ' ' -f 1
}

# File, allowed checksum, its name for the user
require_checksum() {
  [ -f "$1" ] || die "$source_name: has no $3; give the archive of CIFAR100's binary version"
  found=$(checksum "$1")
  [ "$found" = "$2" ] || die "$source_name: $3 has SHA-256 $found; allowed: $2; get the archive again"
}

download() {
  if command -v curl >/dev/null 2>&1; then
    set -- curl -fsSL --retry 3 -o "$2" "$1"
  elif command -v wget >/dev/null 2>&1; then
    set -- wget -nv -O "$2" "$1"
  else
    die "neither curl nor wget is installed; install one, or give an archive"
  fi
  "$@" 2>"$temporary/log" || die "$url: download failed: $(tail -n 1 "$temporary/log")"
}

archive='' dir='' given_url=''
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help)
      usage
      exit 0
      ;;
    --url)
      [ $# -ge 2 ] || die_usage "--url needs an address"
      url=$2 given_url=1
      shift
      ;;
    -*) die_usage "unknown option $1; allowed: --url URL, -h" ;;
    '') die_usage "an argument is empty" ;;
    *.tar.gz | *.tar.xz | *.tgz | *.txz | *.tar)
      [ -z "$archive" ] || die_usage "more than one archive: $archive and $1"
      [ -f "$1" ] || die "$1: there is no such archive"
      archive=$1
      ;;
    *)
      [ -z "$dir" ] || die_usage "more than one folder: $dir and $1"
      dir=$1
      ;;
  esac
  shift
done
[ -z "$archive" ] || [ -z "$given_url" ] || die_usage "give either an archive or --url"
dir=${dir:-data/cifar-100}
source_name=${archive:-$url}

if printf '%s  %s\n' "$train_sum" "$dir/train.bin" "$test_sum" "$dir/test.bin" | sha256sum -c >/dev/null 2>&1; then
  echo "$dir: has CIFAR100 already; checksums match"
  exit 0
fi

mkdir -p "$dir" 2>/dev/null || die "$dir: cannot make the folder"
# Within DIR, so that the final move is a rename on one file system.
temporary=$(mktemp -d "$dir/.unpack.XXXXXX" 2>/dev/null) || die "$dir: cannot write to the folder"
trap 'rm -rf "$temporary"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

if [ -z "$archive" ]; then
  archive=$temporary/archive
  echo "downloading $url"
  download "$url" "$archive"
fi
mkdir "$temporary/files"
tar -xf "$archive" -C "$temporary/files" 2>"$temporary/log" ||
  die "$source_name: cannot unpack: $(head -n 1 "$temporary/log")"
files=$temporary/files
[ -d "$files/cifar-100-binary" ] && files=$files/cifar-100-binary
require_checksum "$files/train.bin" "$train_sum" train.bin
require_checksum "$files/test.bin" "$test_sum" test.bin

for name in fine_label_names.txt coarse_label_names.txt test.bin train.bin; do
  [ ! -f "$files/$name" ] || mv -f "$files/$name" "$dir/$name" 2>/dev/null || die "$dir/$name: cannot write"
done
echo "$dir: has CIFAR100: train.bin (50000 images), test.bin (10000 images)"
