# What the setup-* programs share. ROOT is the system's root, where it is not the one that runs.

ROOT=${ROOT%/}
program=${0##*/}

die() {
	echo "$program: $*" >&2
	exit 1
}

# ask QUESTION DEFAULT: leaves what was typed in $answer, or the default. At the end of input the status is 1.
ask() {
	printf '%s [%s] ' "$1" "$2"
	answer=
	if ! IFS= read -r answer && [ -z "$answer" ]; then
		echo
		answer=$2
		return 1
	fi
	answer=${answer:-$2}
}

# ask_until QUESTION DEFAULT CHECK: asks until the command CHECK takes the answer.
ask_until() {
	local last=
	while :; do
		ask "$1" "$2" || last=1
		"$3" "$answer" && return 0
		[ -z "$last" ] || die "the input ended without an answer to: $1"
	done
}

# ask_yes QUESTION y|n
ask_yes() {
	ask_until "$1 (y/n)" "$2" is_yes_or_no
	case $answer in [yY]*) return 0 ;; esac
	return 1
}

is_yes_or_no() {
	case $1 in [yYnN] | [yY][eE][sS] | [nN][oO]) return 0 ;; esac
	echo "Please say y or n."
	return 1
}

is_word() {
	case $1 in '' | *[!A-Za-z0-9._-]* | -* | .*) return 1 ;; esac
}

# A.B.C.D
is_ipv4() {
	local part count=0 rest=$1.
	case $1 in '' | *[!0-9.]*) return 1 ;; esac
	while [ -n "$rest" ]; do
		part=${rest%%.*}
		rest=${rest#*.}
		case $part in '' | ????*) return 1 ;; esac
		[ "$part" -le 255 ] || return 1
		count=$((count + 1))
	done
	[ "$count" = 4 ]
}

is_address() {
	case $1 in
	*:*) case $1 in *[!0-9A-Fa-f:.]* | *:::*) return 1 ;; esac ;;
	*) is_ipv4 "$1" ;;
	esac
}

# write FILE: standard input becomes the file, at once; where it is a mount, as in containers, it is written over.
write() {
	local file=$ROOT$1
	mkdir -p "${file%/*}" && cat >"$file.new" || die "$file cannot be written"
	mv "$file.new" "$file" 2>/dev/null && return
	cat "$file.new" >"$file" || die "$file cannot be written"
	rm -f "$file.new"
}

# service add|del NAME RUNLEVEL
service() {
	local link=$ROOT/etc/runlevels/$3/$2
	case $1 in
	add)
		[ -e "$ROOT/etc/init.d/$2" ] || die "there is no service $2"
		mkdir -p "${link%/*}"
		[ -L "$link" ] || ln -s "/etc/init.d/$2" "$link"
		;;
	del) rm -f "$link" ;;
	esac
}

# start NAME: starts a service where the system is the one that runs, and is up.
start() {
	[ -n "$ROOT" ] || [ ! -e /run/openrc/softlevel ] || rc-service --quiet "$1" restart
}
