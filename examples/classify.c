/* Classifies binary PPM images (P6) and prints the five most probable classes of each.
 *
 *     cc classify.c -o classify $(pkg-config --cflags --libs darknet_generations)
 *     ./classify net.cfg net.weights names.txt a.ppm b.ppm
 */
#include <darknet_generations.h>
#include <stdio.h>
#include <stdlib.h>

static int fail(const char* what, const char* why) {
  fprintf(stderr, "%s: %s\n", what, why);
  return 1;
}

static int read_ppm(const char* path, dng_image* image) {
  FILE* file = fopen(path, "rb");
  unsigned char* pixels = NULL;
  size_t size;
  int read = 0;
  if (file == NULL) return 0;
  if (fscanf(file, "P6 %d %d 255", &image->width, &image->height) == 2 && fgetc(file) != EOF && image->width > 0 &&
      image->height > 0) {
    size = 3 * (size_t)image->width * (size_t)image->height;
    pixels = malloc(size);
    read = pixels != NULL && fread(pixels, 1, size, file) == size;
  }
  fclose(file);
  image->pixels = pixels;
  return read;
}

static void print_top(const dng_classifier* classifier, const float* probabilities) {
  const int classes = dng_classes(classifier);
  int rank, c;
  char* shown = calloc((size_t)classes, 1);
  for (rank = 0; shown != NULL && rank < 5 && rank < classes; ++rank) {
    int best = -1;
    for (c = 0; c < classes; ++c) {
      if (!shown[c] && (best < 0 || probabilities[c] > probabilities[best])) best = c;
    }
    shown[best] = 1;
    printf("%5.2f%%: %s\n", 100 * probabilities[best], dng_class_name(classifier, best));
  }
  free(shown);
}

int main(int argc, char** argv) {
  dng_classifier* classifier;
  dng_image* images;
  float* probabilities;
  int i, code = 0;
  const int count = argc - 4;
  if (count < 1) return fail("usage", "classify CFG WEIGHTS NAMES IMAGE.ppm...");
  classifier = dng_load(argv[1], argv[2], argv[3]);
  if (classifier == NULL) return fail("dng_load", dng_error());
  images = calloc((size_t)count, sizeof *images);
  probabilities = malloc((size_t)count * (size_t)dng_classes(classifier) * sizeof *probabilities);
  if (images == NULL || probabilities == NULL) return fail("memory", "there is not enough");
  for (i = 0; i < count; ++i) {
    if (!read_ppm(argv[4 + i], &images[i])) return fail(argv[4 + i], "this is no binary PPM image of 8 bits");
  }
  if (dng_classify(classifier, images, (size_t)count, 0, probabilities) != 0) code = fail("dng_classify", dng_error());
  for (i = 0; i < count; ++i) {
    if (code == 0) {
      printf("%s\n", argv[4 + i]);
      print_top(classifier, probabilities + (size_t)i * (size_t)dng_classes(classifier));
    }
    free((void*)images[i].pixels);
  }
  free(probabilities);
  free(images);
  dng_free(classifier);
  return code;
}
