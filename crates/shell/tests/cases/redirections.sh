echo one > f; echo two >> f; cat f; cat < f
cat <<E1; cat <<'E2'
expanded $((1+1)) `echo b`
E1
literal $((1+1)) `echo b`
E2
cat <<-E3
	tabs gone
	E3
echo err >&2 2>/dev/null
{ echo out; echo err >&2; } 2>&1 | sort
exec 3>g; echo three >&3; exec 3>&-; cat g
exec 4<f; read a <&4; read b <&4; echo "$a $b"; exec 4<&-
while read line; do echo "[$line]"; done < f
echo x > /nonexistent/y 2>/dev/null || echo failed
cat < /nonexistent/y 2>/dev/null || echo refused
set -C; echo y > f 2>/dev/null || echo kept; echo z >| f; cat f; set +C
f() { echo from f; } > h; f; cat h
echo "a b  c" | { read x y; echo "$x|$y"; }
printf 'a\\tb\n' | { read x; echo "$x"; }
printf 'a\\tb\n' | { read -r x; printf '%s\n' "$x"; }
printf 'no end' | { read x; echo "$? $x"; }
IFS=, read x y <<E4
1,2,3
E4
echo "$x $y"
ls /nonexistent > all 2>&1 || echo "$(wc -l < all | tr -d ' ')"
cat <<E5 | tr a-z A-Z; echo after
piped
E5
