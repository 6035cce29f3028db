#include <greet.h>
void _start(void) {
	const char *text = greet();
	long result;
	__asm__ volatile("syscall" : "=a"(result) : "a"(1L), "D"(1L), "S"(text), "d"(5L) : "rcx", "r11", "memory");
	__asm__ volatile("syscall" : : "a"(60L), "D"(0L));
	for (;;) {}
}
