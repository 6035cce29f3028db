# What every APKBUILD finds defined: the names are those of Alpine's abuild.

msg() { printf '>>> %s: %s\n' "${subpkgname:-$pkgname}" "$*"; }
warning() { printf '>>> WARNING: %s: %s\n' "${subpkgname:-$pkgname}" "$*" >&2; }
error() { printf '>>> ERROR: %s: %s\n' "${subpkgname:-$pkgname}" "$*" >&2; }
die() { error "$@"; exit 1; }

# Applies the patches among the sources, in their order.
default_prepare() {
	local _source _file
	if [ -n "$builddir" ] && [ -d "$builddir" ]; then
		cd "$builddir"
	fi
	for _source in $source; do
		_file=${_source%%::*}
		_file=${_file##*/}
		case $_file in
		*.patch | *.diff) msg "applying $_file"; patch ${patch_args:--p1} -i "$srcdir/$_file" || return 1 ;;
		*.patch.gz) msg "applying $_file"; gzip -dc "$srcdir/$_file" | patch ${patch_args:--p1} || return 1 ;;
		*.patch.xz) msg "applying $_file"; xz -dc "$srcdir/$_file" | patch ${patch_args:--p1} || return 1 ;;
		esac
	done
}

# Moves files, given as patterns relative to the root, from the main package into the subpackage.
amove() {
	local _pattern _file _folder _found
	cd "$pkgdir" || return 1
	for _pattern in "$@"; do
		_found=
		for _file in ${_pattern#/}; do
			if [ ! -e "$_file" ] && [ ! -L "$_file" ]; then
				continue
			fi
			_found=yes
			_file=${_file%/}
			case $_file in
			*/*) _folder=${_file%/*} ;;
			*) _folder=. ;;
			esac
			mkdir -p "$subpkgdir/$_folder" || return 1
			cp -a "$_file" "$subpkgdir/$_folder/" || return 1
			rm -rf "$_file" || return 1
			if [ "$_folder" != . ]; then
				rmdir -p --ignore-fail-on-non-empty "$_folder" || return 1
			fi
		done
		if [ -z "$_found" ]; then
			error "amove: $_pattern: no such file in $pkgname"
			return 1
		fi
	done
}

# Moves those of the patterns that there are.
_amove_any() {
	local _any _there
	cd "$pkgdir" || return 1
	for _any in "$@"; do
		for _there in $_any; do
			if [ -e "$_there" ] || [ -L "$_there" ]; then
				amove "$_there" || return 1
				cd "$pkgdir" || return 1
			fi
		done
	done
}

# Its files come when the others are stripped.
default_dbg() {
	pkgdesc="$pkgdesc (debug symbols)"
	depends=
}

default_dev() {
	local _lib _file
	pkgdesc="$pkgdesc (development files)"
	depends="$depends_dev"
	_amove_any 'usr/include' 'usr/lib/pkgconfig' 'usr/share/pkgconfig' 'usr/share/aclocal' 'usr/lib/cmake' \
		'usr/lib/*.a' 'usr/lib/*.o' 'lib/*.a' 'usr/bin/*-config' 'usr/share/vala' 'usr/share/gir-1.0' || return 1
	cd "$pkgdir" || return 1
	for _lib in lib usr/lib; do
		for _file in "$_lib"/*.so; do
			if [ -L "$_file" ]; then
				amove "$_file" || return 1
				cd "$pkgdir" || return 1
			fi
		done
	done
	find . -name '*.la' -exec rm -f {} +
}

default_doc() {
	local _section
	pkgdesc="$pkgdesc (documentation)"
	depends="$depends_doc"
	install_if="$pkgname=$pkgver-r$pkgrel docs"
	_amove_any usr/share/doc usr/share/man usr/share/info usr/share/html usr/share/gtk-doc || return 1
	if [ -d "$subpkgdir/usr/share/man" ]; then
		find "$subpkgdir/usr/share/man" -type f ! -name '*.gz' -exec gzip -n -9 {} +
		find "$subpkgdir/usr/share/man" -type l ! -name '*.gz' | while read -r _section; do
			ln -s "$(readlink "$_section").gz" "$_section.gz" && rm -f "$_section"
		done
	fi
	rm -f "$subpkgdir/usr/share/info/dir"
}

default_openrc() {
	pkgdesc="$pkgdesc (OpenRC init scripts)"
	depends="$depends_openrc"
	install_if="openrc $pkgname=$pkgver-r$pkgrel"
	_amove_any etc/init.d etc/conf.d
}

default_static() {
	pkgdesc="$pkgdesc (static library)"
	depends="$depends_static"
	_amove_any 'lib/*.a' 'usr/lib/*.a'
}

default_libs() {
	pkgdesc="$pkgdesc (libraries)"
	depends="$depends_libs"
	_amove_any 'lib/*.so.*' 'usr/lib/*.so.*'
}

default_lang() {
	pkgdesc="Languages for package $pkgname"
	depends=
	install_if="$pkgname=$pkgver-r$pkgrel lang"
	_amove_any usr/share/locale
}

default_bashcomp() {
	pkgdesc="Bash completions for $pkgname"
	depends=
	install_if="$pkgname=$pkgver-r$pkgrel bash-completion"
	_amove_any usr/share/bash-completion
}

default_zshcomp() {
	pkgdesc="Zsh completions for $pkgname"
	depends=
	install_if="$pkgname=$pkgver-r$pkgrel zsh"
	_amove_any usr/share/zsh
}

default_fishcomp() {
	pkgdesc="Fish completions for $pkgname"
	depends=
	install_if="$pkgname=$pkgver-r$pkgrel fish"
	_amove_any usr/share/fish
}
