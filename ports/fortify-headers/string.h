/* Checked variants of functions in <string.h>: see fortify.h. */
#include_next <string.h>
#include "fortify.h"
#if defined(__FORTIFY) && !defined(__FORTIFY_STRING)
#define __FORTIFY_STRING

__FORTIFY_BEGIN

__fortify_inline void *memcpy(void *__fortify_sized __to, const void *__fortify_sized __from, size_t __n)
{
	__fortify_fits(__n, __to);
	__fortify_fits(__n, __from);
	return __builtin_memcpy(__to, __from, __n);
}

__fortify_inline void *memmove(void *__fortify_sized __to, const void *__fortify_sized __from, size_t __n)
{
	__fortify_fits(__n, __to);
	__fortify_fits(__n, __from);
	return __builtin_memmove(__to, __from, __n);
}

__fortify_inline void *memset(void *__fortify_sized __to, int __byte, size_t __n)
{
	__fortify_fits(__n, __to);
	return __builtin_memset(__to, __byte, __n);
}

__fortify_inline char *strcpy(char *__fortify_sized __to, const char *__from)
{
	if (__fortify_size(__to) != (size_t)-1)
		__fortify_fits(__builtin_strlen(__from) + 1, __to);
	return __builtin_strcpy(__to, __from);
}

__fortify_inline char *strncpy(char *__fortify_sized __to, const char *__from, size_t __n)
{
	__fortify_fits(__n, __to);
	return __builtin_strncpy(__to, __from, __n);
}

__fortify_inline char *strcat(char *__fortify_sized __to, const char *__from)
{
	if (__fortify_size(__to) != (size_t)-1)
		__fortify_fits(__builtin_strlen(__to) + __builtin_strlen(__from) + 1, __to);
	return __builtin_strcat(__to, __from);
}

/* Strict C does not declare it. */
size_t __fortify_strnlen(const char *, size_t) __asm__("strnlen");
__fortify_inline char *strncat(char *__fortify_sized __to, const char *__from, size_t __n)
{
	if (__fortify_size(__to) != (size_t)-1)
		__fortify_fits(__builtin_strlen(__to) + __fortify_strnlen(__from, __n) + 1, __to);
	return __builtin_strncat(__to, __from, __n);
}

#if defined(_POSIX_SOURCE) || defined(_POSIX_C_SOURCE) || defined(_XOPEN_SOURCE) || defined(_GNU_SOURCE) || defined(_BSD_SOURCE)
__fortify_inline char *stpcpy(char *__fortify_sized __to, const char *__from)
{
	if (__fortify_size(__to) != (size_t)-1)
		__fortify_fits(__builtin_strlen(__from) + 1, __to);
	return __builtin_stpcpy(__to, __from);
}

__fortify_inline char *stpncpy(char *__fortify_sized __to, const char *__from, size_t __n)
{
	__fortify_fits(__n, __to);
	return __builtin_stpncpy(__to, __from, __n);
}
#endif

#if defined(_GNU_SOURCE) || defined(_BSD_SOURCE)
__fortify_real(strlcpy);
__fortify_inline size_t strlcpy(char *__fortify_sized __to, const char *__from, size_t __n)
{
	__fortify_fits(__n, __to);
	return __fortify_strlcpy(__to, __from, __n);
}

__fortify_real(strlcat);
__fortify_inline size_t strlcat(char *__fortify_sized __to, const char *__from, size_t __n)
{
	__fortify_fits(__n, __to);
	return __fortify_strlcat(__to, __from, __n);
}
#endif

#ifdef _GNU_SOURCE
__fortify_inline void *mempcpy(void *__fortify_sized __to, const void *__fortify_sized __from, size_t __n)
{
	__fortify_fits(__n, __to);
	__fortify_fits(__n, __from);
	return __builtin_mempcpy(__to, __from, __n);
}
#endif
__FORTIFY_END

#endif
