#include "data/jpeg_part.h"

#include <csetjmp>
#include <cstdio>
// After cstdio, which it needs and does not include.
#include <jpeglib.h>

#include <algorithm>

namespace dng::data {
namespace {

// Chroma is stored at a lower resolution and interpolated, which needs neighbours: so many more columns are decoded on
// both sides, enough for any sampling that JPEG has.
constexpr int kMargin = 8;
// OpenCV has limits and messages for larger ones.
constexpr int64_t kMaxPixels = int64_t{1} << 26;

// The handler must not return, or libjpeg calls exit(); an exception must not pass its C frames.
struct Errors {
  jpeg_error_mgr base;  // first: libjpeg knows this part only
  std::jmp_buf back;
};

extern "C" {
static void jump_back(j_common_ptr info) { std::longjmp(reinterpret_cast<Errors*>(info->err)->back, 1); }
static void count_warnings(j_common_ptr info, int level) {
  if (level < 0) ++info->err->num_warnings;
}
}

// Between setjmp and longjmp there must be no object with a destructor: each function below has plain locals only.
bool read_header(jpeg_decompress_struct* info, const std::string& bytes, Errors* errors) {
  if (setjmp(errors->back) != 0) return false;
  jpeg_mem_src(info, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
  if (jpeg_read_header(info, TRUE) != JPEG_HEADER_OK) return false;
  if (info->num_components != 1 && info->num_components != 3) return false;  // CMYK
  return int64_t{1} * info->image_width * info->image_height <= kMaxPixels;
}

// Sets the columns that will be decoded.
bool start(jpeg_decompress_struct* info, const Rectangle& rectangle, JDIMENSION* left, JDIMENSION* columns,
           Errors* errors) {
  if (setjmp(errors->back) != 0) return false;
  info->out_color_space = JCS_EXT_RGBX;
  jpeg_start_decompress(info);
  const int width = static_cast<int>(info->output_width);
  const int from = std::max(0, rectangle.x - kMargin);
  *left = static_cast<JDIMENSION>(from);
  *columns = static_cast<JDIMENSION>(std::min(width, rectangle.x + rectangle.width + kMargin) - from);
  if (*columns < info->output_width) jpeg_crop_scanline(info, left, columns);  // widens them to whole blocks
  return true;
}

bool read_rows(jpeg_decompress_struct* info, const Rectangle& rectangle, Part* part, Errors* errors) {
  if (setjmp(errors->back) != 0) return false;
  if (rectangle.y > 0) jpeg_skip_scanlines(info, static_cast<JDIMENSION>(rectangle.y));
  JSAMPROW row = part->bytes.data();
  for (int y = 0; y < rectangle.height; ++y, row += part->stride) {
    if (jpeg_read_scanlines(info, &row, 1) != 1) return false;
  }
  // Skipping up to the end would leave the rest unread, so the last row is asked for.
  const JDIMENSION last = info->output_height - 1;
  row = part->bytes.data() + part->stride * static_cast<size_t>(rectangle.height);
  if (info->output_scanline < last) jpeg_skip_scanlines(info, last - info->output_scanline);
  if (info->output_scanline == last) jpeg_read_scanlines(info, &row, 1);
  jpeg_finish_decompress(info);
  return info->err->num_warnings == 0;
}

struct Decoder {
  Decoder() {
    info.err = jpeg_std_error(&errors.base);
    errors.base.error_exit = jump_back;
    errors.base.emit_message = count_warnings;
    jpeg_create_decompress(&info);
  }
  ~Decoder() { jpeg_destroy_decompress(&info); }
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;

  jpeg_decompress_struct info = {};
  Errors errors = {};
};

}  // namespace

bool decode_jpeg_part(const std::string& bytes, const ChooseRectangle& choose, Part* part) {
  Decoder decoder;
  jpeg_decompress_struct* info = &decoder.info;
  if (!read_header(info, bytes, &decoder.errors)) return false;
  const Rectangle rectangle = choose({3, static_cast<int>(info->image_height), static_cast<int>(info->image_width)});
  JDIMENSION left = 0, columns = 0;
  if (!start(info, rectangle, &left, &columns, &decoder.errors)) return false;
  part->reserve(rectangle.height + 1, static_cast<int>(columns));  // one more for the last row of the image
  part->height = rectangle.height;
  part->width = rectangle.width;
  part->first = 4 * static_cast<size_t>(rectangle.x - static_cast<int>(left));
  return read_rows(info, rectangle, part, &decoder.errors);
}

}  // namespace dng::data
