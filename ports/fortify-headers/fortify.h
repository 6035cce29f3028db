/* What the headers beside this one share.
 *
 * Each of them includes the C library's header of its name and then lays checked variants over the functions that
 * write to, or read from, a buffer of the caller's. clang passes on how large the object is that a pointer leads to
 * (pass_object_size); a call that would go beyond it ends the program instead. Where the size is not known the check
 * goes away when it is compiled. Only clang has this; for other compilers the headers add nothing.
 *
 * Level 1 and 2 know the sizes that are constant, level 3 also those that are computed when the program runs.
 */
#ifndef __FERRATA_FORTIFY_H
#define __FERRATA_FORTIFY_H

#if defined(__clang__) && defined(_FORTIFY_SOURCE) && defined(__OPTIMIZE__)
#if _FORTIFY_SOURCE > 0 && __OPTIMIZE__ > 0
#define __FORTIFY 1
#endif
#endif

#ifdef __FORTIFY

#if _FORTIFY_SOURCE > 2 && __has_builtin(__builtin_dynamic_object_size)
#define __fortify_sized const __attribute__((__pass_dynamic_object_size__(0)))
#define __fortify_size(object) __builtin_dynamic_object_size(object, 0)
#else
#define __fortify_sized const __attribute__((__pass_object_size__(0)))
#define __fortify_size(object) __builtin_object_size(object, 0)
#endif

/* In C++ a function of a header must not be static: inline functions of the program may call it. */
#ifdef __cplusplus
#define __fortify_static __inline__
#else
#define __fortify_static static __inline__
#endif
#define __fortify_inline __fortify_static __attribute__((__always_inline__, __overloadable__, __artificial__))
/* A function with `...` cannot be inlined. */
#define __fortify_variadic(format, first) \
	__fortify_static __attribute__((__overloadable__, __artificial__, __format__(__printf__, format, first)))

/* The C library's own function, under a name that leads to no checked variant. */
#define __fortify_real(name) __typeof__(name) __fortify_##name __asm__(#name)

#define __fortify_fits(length, object) \
	do { \
		if (__builtin_expect((__SIZE_TYPE__)(length) > __fortify_size(object), 0)) \
			__builtin_trap(); \
	} while (0)

/* The bytes of count times size, or a trap where that is more than there can be. */
static __inline__ __attribute__((__always_inline__)) __SIZE_TYPE__ __fortify_times(__SIZE_TYPE__ __count, __SIZE_TYPE__ __size)
{
	__SIZE_TYPE__ __bytes;
	if (__builtin_mul_overflow(__count, __size, &__bytes))
		__builtin_trap();
	return __bytes;
}

#ifdef __cplusplus
#define __FORTIFY_BEGIN extern "C" {
#define __FORTIFY_END }
#else
#define __FORTIFY_BEGIN
#define __FORTIFY_END
#endif

#endif
#endif
