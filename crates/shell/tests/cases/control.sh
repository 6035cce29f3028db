for i in a b c; do for j in 1 2 3; do [ $j = 2 ] && continue 2; [ $i = c ] && break 2; echo $i$j; done; done
i=0; until [ $i -ge 3 ]; do i=$((i + 1)); done; echo $i
while :; do break; done; echo $?
f() { return 5; }; f; echo $?
g() { echo "$1-$#"; shift; echo "$1-$#"; }; g x y z
if f; then echo yes; else echo "no $?"; fi
f || echo or; f && echo and
! f && echo negated
{ echo grouped; echo output; } | cat
(cd /; pwd); 
(exit 3); echo $?
case abc in a*) echo star;; esac
case x in a|x) echo alternative;; *) echo none;; esac
case "*" in \*) echo literal;; esac
true | false; echo $?
false | true; echo $?
h() { local v=inner; echo $v; }; v=outer; h; echo $v
r() { [ $1 -le 0 ] && return 0; echo $1; r $(($1 - 1)); }; r 3
trap 'echo trapped $?' EXIT
eval 'for q in 1 2; do echo q$q; done'
x=$(false); echo $?
x=$(exit 7) || echo "substitution $?"
y=1 z=2; echo $y$z
y=3 sh -c 'echo $y'; echo $y
unset -f f; f 2>/dev/null; echo $?
wait; sleep 0 & wait $!; echo waited $?
. /dev/null; echo $?
set -e
if false; then :; fi
false || true
! true
echo "not yet"
(false; echo never)
echo never
