/* Checked variants of functions in <stdlib.h>: see fortify.h. */
#include_next <stdlib.h>
#include "fortify.h"
#if defined(__FORTIFY) && !defined(__FORTIFY_STDLIB)
#define __FORTIFY_STDLIB

__FORTIFY_BEGIN

__fortify_real(mbstowcs);
__fortify_inline size_t mbstowcs(wchar_t *__fortify_sized __to, const char *__from, size_t __n)
{
	if (__to)
		__fortify_fits(__fortify_times(__n, sizeof(wchar_t)), __to);
	return __fortify_mbstowcs(__to, __from, __n);
}

__fortify_real(wcstombs);
__fortify_inline size_t wcstombs(char *__fortify_sized __to, const wchar_t *__from, size_t __n)
{
	if (__to)
		__fortify_fits(__n, __to);
	return __fortify_wcstombs(__to, __from, __n);
}

#if defined(_XOPEN_SOURCE) || defined(_GNU_SOURCE) || defined(_BSD_SOURCE)
/* POSIX lets it write up to PATH_MAX bytes, which is 4096. */
__fortify_real(realpath);
__fortify_inline char *realpath(const char *__path, char *__fortify_sized __to)
{
	if (__to)
		__fortify_fits(4096, __to);
	return __fortify_realpath(__path, __to);
}
#endif
__FORTIFY_END

#endif
