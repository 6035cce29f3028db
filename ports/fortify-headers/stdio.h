/* Checked variants of functions in <stdio.h>: see fortify.h. */
#include_next <stdio.h>
#include "fortify.h"
#if defined(__FORTIFY) && !defined(__FORTIFY_STDIO)
#define __FORTIFY_STDIO

__FORTIFY_BEGIN

__fortify_real(fgets);
__fortify_inline char *fgets(char *__fortify_sized __to, int __n, FILE *__file)
{
	__fortify_fits(__n < 0 ? 0 : __n, __to);
	return __fortify_fgets(__to, __n, __file);
}

__fortify_real(fread);
__fortify_inline size_t fread(void *__fortify_sized __to, size_t __size, size_t __count, FILE *__file)
{
	__fortify_fits(__fortify_times(__count, __size), __to);
	return __fortify_fread(__to, __size, __count, __file);
}

__fortify_real(fwrite);
__fortify_inline size_t fwrite(const void *__fortify_sized __from, size_t __size, size_t __count, FILE *__file)
{
	__fortify_fits(__fortify_times(__count, __size), __from);
	return __fortify_fwrite(__from, __size, __count, __file);
}

__fortify_real(vsnprintf);
__fortify_inline int vsnprintf(char *__fortify_sized __to, size_t __n, const char *__format, __builtin_va_list __values)
{
	__fortify_fits(__n, __to);
	return __fortify_vsnprintf(__to, __n, __format, __values);
}

/* Prints to a buffer of so many bytes; a text that does not fit is the end. */
__fortify_real(vsprintf);
static __inline__ int __fortify_print(char *__to, size_t __size, const char *__format, __builtin_va_list __values)
{
	int __length;
	if (__size == (size_t)-1)
		return __fortify_vsprintf(__to, __format, __values);
	/* The C library refuses a buffer that is larger than a length can say. */
	if (__size > __INT_MAX__)
		__size = __INT_MAX__;
	__length = __fortify_vsnprintf(__to, __size, __format, __values);
	if (__length >= 0 && (size_t)__length >= __size)
		__builtin_trap();
	return __length;
}

__fortify_inline int vsprintf(char *__fortify_sized __to, const char *__format, __builtin_va_list __values)
{
	return __fortify_print(__to, __fortify_size(__to), __format, __values);
}

__fortify_variadic(3, 4) int snprintf(char *__fortify_sized __to, size_t __n, const char *__format, ...)
{
	int __length;
	__builtin_va_list __values;
	__fortify_fits(__n, __to);
	__builtin_va_start(__values, __format);
	__length = __fortify_vsnprintf(__to, __n, __format, __values);
	__builtin_va_end(__values);
	return __length;
}

__fortify_variadic(2, 3) int sprintf(char *__fortify_sized __to, const char *__format, ...)
{
	int __length;
	__builtin_va_list __values;
	__builtin_va_start(__values, __format);
	__length = __fortify_print(__to, __fortify_size(__to), __format, __values);
	__builtin_va_end(__values);
	return __length;
}
__FORTIFY_END

#endif
