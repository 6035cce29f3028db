printf '%s %d %5s|%-5s|%05d\n' a 42 b c 7
printf '%x %o %X %c\n' 255 8 255 xyz
printf '%s\n' a b c; printf 'no args %s|%d\n'
printf '%b\n' 'a\tb'
printf '%.2f %5.1f\n' 3.14159 2.55
[ -d / ] && echo folder; [ -f /etc/passwd ] && echo file; [ -e /nonexistent ] || echo none
[ a = a ] && [ a != b ] && [ 1 -lt 2 ] && [ -z "" ] && [ -n x ] && echo all
[ ! a = b ] && echo not; test 1 -eq 1 -a 2 -eq 2 && echo both; [ 1 -eq 2 -o 1 -eq 1 ] && echo either
[ "(" = "(" ] && echo parenthesis; [ -n ] && echo word; [ "!" ] && echo bang
while getopts ab:c o -a -b arg -c rest; do echo "$o ${OPTARG-}"; done; echo $OPTIND
umask 022; umask; umask 077; umask
set -- a b c; shift; echo "$*"; shift 2; echo $#
export V=1; sh -c 'echo $V'
readonly R=1; (R=2) 2>/dev/null; echo $?
cd /usr; pwd; cd bin/..; pwd; cd - > /dev/null; echo $OLDPWD
type cd > /dev/null && command -v cd
command -v nonexistent || echo $?
command echo plain
alias greet='echo hello'
eval 'greet you'
trap 'echo got' USR1; kill -USR1 $$; echo after; trap - USR1
kill -l 9
