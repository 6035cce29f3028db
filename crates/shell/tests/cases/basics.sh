# reference: bash
echo hello "a  b" $((1+2*3))
f() { local x=1; echo "in f $1 $x"; return 3; }
f arg; echo $?
for i in 1 2 3; do [ $i = 2 ] && continue; echo $i; done
case foo.c in *.h) echo h;; *.c|*.d) echo c;; esac
x=abcdef; echo ${x#ab} ${x%ef} ${x:2:2} ${#x} ${x/cd/XX} ${y:-def} ${y:=set} $y
echo $(echo sub $(echo nested)) `echo back`
cat <<EOF | tr a-z A-Z
here $x doc
EOF
set -- a "b c" d; for a in "$@"; do echo "<$a>"; done; echo "$*" $#
while read a b; do echo "$b-$a"; done <<EOF
1 2 3
x y
EOF
(exit 4); echo $?
true && echo yes || echo no
! true; echo $?
trap 'echo bye' EXIT
[[ abc == a* && -n x ]] && echo match
printf '%s %05d %x\n' abc 42 255
echo /etc/host*
i=0; while [ $i -lt 3 ]; do i=$((i+1)); done; echo $i
if false; then :; elif true; then echo elif; else :; fi
eval 'echo evaled'; echo ${u-unset}
set -e; false || true; echo still
(set -e; false; echo no); echo after $? 
