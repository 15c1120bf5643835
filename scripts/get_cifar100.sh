#!/bin/sh
# Puts CIFAR100 (binary version: train.bin, test.bin and the label names) into a folder.
set -eu

url=https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz
train_sum=f31298fc616915fa142368359df1c4ca2ae984d6915ca468b998a5ec6aeebf29
test_sum=d8b1e6b7b3bee4020055f0699b111f60b1af1e262aeb93a0b659061746f8224a

usage() {
  cat <<EOF
Usage: get_cifar100.sh [ARCHIVE | --url URL] [DIR]
  ARCHIVE    a tar.gz or tar.xz that is here already, with train.bin and test.bin (in cifar-100-binary/ or without)
  --url URL  where to download the archive (default: $url)
  DIR        where the files go (default: data/cifar-100)
The files are checked by their SHA-256 before they get their names. Right files that are there already are kept.
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
  if command -v sha256sum >/dev/null 2>&1; then
    sha256sum <"$1" | cut -d ' ' -f 1
  elif command -v shasum >/dev/null 2>&1; then
    shasum -a 256 <"$1" | cut -d ' ' -f 1
  else
    die "neither sha256sum nor shasum is installed; install one of them"
  fi
}

# File, right checksum
is_right() {
  [ -f "$1" ] && [ "$(checksum "$1")" = "$2" ]
}

# File, right checksum, its name for the user
require_right() {
  [ -f "$1" ] || die "$source_name: has no $3; give the archive of CIFAR100's binary version"
  found=$(checksum "$1")
  [ "$found" = "$2" ] || die "$source_name: $3 has SHA-256 $found; allowed: $2; get the archive again"
}

download() {
  if command -v curl >/dev/null 2>&1; then
    curl -fsSL --retry 3 -o "$2" "$1" 2>"$temporary/log" || die "$1: download failed: $(tail -n 1 "$temporary/log")"
  elif command -v wget >/dev/null 2>&1; then
    wget -nv -O "$2" "$1" 2>"$temporary/log" || die "$1: download failed: $(tail -n 1 "$temporary/log")"
  else
    die "neither curl nor wget is installed; install one, or give an archive that is here already"
  fi
}

archive=
dir=
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help)
      usage
      exit 0
      ;;
    --url)
      [ $# -ge 2 ] || die_usage "--url needs an address"
      [ -z "$archive" ] || die_usage "give either an archive or --url"
      url=$2
      shift
      ;;
    -*) die_usage "unknown option $1; allowed: --url URL, -h" ;;
    *.tar.gz | *.tar.xz | *.tgz | *.txz | *.tar)
      [ -z "$archive" ] || die_usage "more than one archive: $archive and $1"
      [ -f "$1" ] || die "$1: there is no such archive"
      archive=$1
      ;;
    '') die_usage "an argument is empty" ;;
    *)
      if [ -f "$1" ] && [ -z "$archive" ]; then
        archive=$1
      elif [ -f "$1" ]; then
        die_usage "more than one archive: $archive and $1"
      elif [ -z "$dir" ]; then
        dir=$1
      else
        die_usage "more than one folder: $dir and $1"
      fi
      ;;
  esac
  shift
done
dir=${dir:-data/cifar-100}
source_name=${archive:-$url}

if is_right "$dir/train.bin" "$train_sum" && is_right "$dir/test.bin" "$test_sum"; then
  echo "$dir: CIFAR100 is there already, and right"
  exit 0
fi

mkdir -p "$dir" 2>/dev/null || die "$dir: the folder cannot be made"
# Within DIR, so that the final move is a rename on one file system.
temporary=$(mktemp -d "$dir/.unpack.XXXXXX" 2>/dev/null) || die "$dir: the folder cannot be written"
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
  die "$source_name: cannot be unpacked: $(head -n 1 "$temporary/log")"
files=$temporary/files
[ -d "$files/cifar-100-binary" ] && files=$files/cifar-100-binary
require_right "$files/train.bin" "$train_sum" train.bin
require_right "$files/test.bin" "$test_sum" test.bin

for name in fine_label_names.txt coarse_label_names.txt test.bin train.bin; do
  [ ! -f "$files/$name" ] || mv -f "$files/$name" "$dir/$name" 2>/dev/null || die "$dir/$name: cannot be written"
done
echo "$dir: CIFAR100 is there: train.bin (50000 images), test.bin (10000 images)"
