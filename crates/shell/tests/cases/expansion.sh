set -- one "two words" three
echo "$#" "$*" "$@"
for i; do echo "[$i]"; done
IFS=:; x=a:b::c; set -- $x; echo $#; IFS=' 	
'
x='  lead  trail  '; set -- $x; echo "$# $1 $2"
echo "${x}" | tr ' ' .
unset y; echo "${y-default}" "${y:-default}" "${y+set}" "${x:+set}"
echo "${y:=assigned}$y"
path=/usr/local/lib/file.tar.gz
echo "${path##*/}" "${path#*/}" "${path%.*}" "${path%%.*}" "${#path}"
echo "$((1 + 2 * 3))" "$(( (1 + 2) * 3 ))" "$((10 % 3))" "$((-7 / 2))" "$((1 << 4))" "$((5 > 3 ? 7 : 8))"
n=5; echo $((n += 2)) $n $((n == 7)) $((~n)) $((!n))
echo '$x' "\$x" \$x 'a"b' "a'b"
echo a\ b "c\
d"
echo "`echo "nested quotes"`" "$(echo "more $(echo deep)")"
echo ~ | grep -c /
set -f; echo *; set +f
printf '%s|' "" a "$y" ''; echo
echo "${path%%/*}" "x${nothing}y"
set --; echo "$#" "$@" end; for i in "$@"; do echo never; done
a='*'; echo "$a" | cat
v='a b'; case $v in 'a b') echo same;; *) echo other;; esac
echo "${v%"b"}|${v#'a '}"
x=; echo ${x:-empty} "${x-set}"
echo "${1-no one}" "$0" | sed 's,/.*/,,'
