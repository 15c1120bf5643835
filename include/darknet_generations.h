/* Classifies images with a trained network, from C and whatever can call C. Needs neither Darknet nor its library.
 *
 * Threads: a classifier may be used by any number of threads at once, and several classifiers side by side. Only
 * dng_free must be the last call with its classifier.
 *
 * Errors: nothing is thrown, nothing is printed, and no call ends the program. A call that fails returns NULL or -1;
 * dng_error() then has the reason in one line.
 */
#ifndef DARKNET_GENERATIONS_H
#define DARKNET_GENERATIONS_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define DNG_API __attribute__((visibility("default")))
#else
#define DNG_API
#endif

typedef struct dng_classifier dng_classifier;

/* Rows from top to bottom, in each row its pixels as red, green and blue, a byte each; no gaps. */
typedef struct dng_image {
  const unsigned char* pixels;
  int width;
  int height;
} dng_image;

/* "0.2.0" */
DNG_API const char* dng_version(void);

/* Of the calling thread's last call that failed. Valid until the thread's next call that fails. */
DNG_API const char* dng_error(void);

/* Reads a network's cfg and its weights. `names`: a file with a class's name in each line (names= or labels= of the
 * .data file), or NULL. Returns NULL on failure. */
DNG_API dng_classifier* dng_load(const char* cfg, const char* weights, const char* names);

/* NULL is allowed. */
DNG_API void dng_free(dng_classifier* classifier);

/* How many classes the network has. */
DNG_API int dng_classes(const dng_classifier* classifier);

/* The name of a class from 0 to dng_classes - 1, "class 3" where no names were given. NULL for any other class. Valid
 * until dng_free. */
DNG_API const char* dng_class_name(const dng_classifier* classifier, int index);

/* Classifies `count` images of any sizes, which are cut and resized as `classifier predict` does. Writes the
 * probabilities of all classes, image by image: probabilities[image * dng_classes + class]. `threads` work on them, the
 * calling one among them; 0: as many as there are processors. Returns 0; on failure -1, and what was written is of no
 * use. */
DNG_API int dng_classify(const dng_classifier* classifier, const dng_image* images, size_t count, int threads,
                         float* probabilities);

#ifdef __cplusplus
}
#endif

#endif
