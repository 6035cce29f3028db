/* Checked variants of functions in <wchar.h>: see fortify.h. */
#include_next <wchar.h>
#include "fortify.h"
#if defined(__FORTIFY) && !defined(__FORTIFY_WCHAR)
#define __FORTIFY_WCHAR

__FORTIFY_BEGIN

__fortify_real(wmemcpy);
__fortify_inline wchar_t *wmemcpy(wchar_t *__fortify_sized __to, const wchar_t *__fortify_sized __from, size_t __n)
{
	__fortify_fits(__fortify_times(__n, sizeof(wchar_t)), __to);
	__fortify_fits(__fortify_times(__n, sizeof(wchar_t)), __from);
	return __fortify_wmemcpy(__to, __from, __n);
}

__fortify_real(wmemmove);
__fortify_inline wchar_t *wmemmove(wchar_t *__fortify_sized __to, const wchar_t *__fortify_sized __from, size_t __n)
{
	__fortify_fits(__fortify_times(__n, sizeof(wchar_t)), __to);
	__fortify_fits(__fortify_times(__n, sizeof(wchar_t)), __from);
	return __fortify_wmemmove(__to, __from, __n);
}

__fortify_real(wmemset);
__fortify_inline wchar_t *wmemset(wchar_t *__fortify_sized __to, wchar_t __value, size_t __n)
{
	__fortify_fits(__fortify_times(__n, sizeof(wchar_t)), __to);
	return __fortify_wmemset(__to, __value, __n);
}

__fortify_real(wcslen);
__fortify_real(wcscpy);
__fortify_inline wchar_t *wcscpy(wchar_t *__fortify_sized __to, const wchar_t *__from)
{
	if (__fortify_size(__to) != (size_t)-1)
		__fortify_fits((__fortify_wcslen(__from) + 1) * sizeof(wchar_t), __to);
	return __fortify_wcscpy(__to, __from);
}

__fortify_real(wcsncpy);
__fortify_inline wchar_t *wcsncpy(wchar_t *__fortify_sized __to, const wchar_t *__from, size_t __n)
{
	__fortify_fits(__fortify_times(__n, sizeof(wchar_t)), __to);
	return __fortify_wcsncpy(__to, __from, __n);
}

__fortify_real(wcscat);
__fortify_inline wchar_t *wcscat(wchar_t *__fortify_sized __to, const wchar_t *__from)
{
	if (__fortify_size(__to) != (size_t)-1)
		__fortify_fits((__fortify_wcslen(__to) + __fortify_wcslen(__from) + 1) * sizeof(wchar_t), __to);
	return __fortify_wcscat(__to, __from);
}

__fortify_real(mbsrtowcs);
__fortify_inline size_t mbsrtowcs(wchar_t *__fortify_sized __to, const char **__from, size_t __n, mbstate_t *__state)
{
	if (__to)
		__fortify_fits(__fortify_times(__n, sizeof(wchar_t)), __to);
	return __fortify_mbsrtowcs(__to, __from, __n, __state);
}

__fortify_real(wcsrtombs);
__fortify_inline size_t wcsrtombs(char *__fortify_sized __to, const wchar_t **__from, size_t __n, mbstate_t *__state)
{
	if (__to)
		__fortify_fits(__n, __to);
	return __fortify_wcsrtombs(__to, __from, __n, __state);
}
__FORTIFY_END

#endif
