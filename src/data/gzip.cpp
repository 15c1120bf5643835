#include "data/gzip.h"

#include <zlib.h>

#include <algorithm>
#include <memory>

#include "base/error.h"

namespace dng::data {
namespace {

constexpr int kGzipWindow = 15 + 16;  // largest window; 16 asks zlib for the gzip format
constexpr size_t kChunk = size_t{1} << 20;

struct Inflater {
  Inflater() { ready = inflateInit2(&stream, kGzipWindow) == Z_OK; }
  ~Inflater() {
    if (ready) inflateEnd(&stream);
  }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;
  z_stream stream{};
  bool ready = false;
};

}  // namespace

bool is_gzip(const std::string& bytes) { return bytes.size() >= 2 && bytes[0] == '\x1f' && bytes[1] == '\x8b'; }

std::string gunzip(const std::string& bytes, const std::string& path) {
  Inflater inflater;
  if (!inflater.ready) fail("%s: cannot be unpacked: no memory for zlib", path.c_str());
  z_stream& stream = inflater.stream;
  std::string out;
  size_t consumed = 0;
  const auto buffer = std::make_unique<unsigned char[]>(kChunk);
  for (;;) {
    if (stream.avail_in == 0) {
      // avail_in has 32 bits: hand over large files piece by piece.
      const size_t piece = std::min(bytes.size() - consumed, size_t{1} << 30);
      stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data() + consumed));
      stream.avail_in = static_cast<uInt>(piece);
      consumed += piece;
    }
    stream.next_out = buffer.get();
    stream.avail_out = static_cast<uInt>(kChunk);
    const int status = inflate(&stream, Z_NO_FLUSH);
    out.append(reinterpret_cast<const char*>(buffer.get()), kChunk - stream.avail_out);
    const bool all_read = stream.avail_in == 0 && consumed == bytes.size();
    if (status == Z_STREAM_END) {
      if (all_read) return out;
      if (inflateReset(&stream) != Z_OK) fail("%s: cannot be unpacked: zlib gave up", path.c_str());
    } else if (status == Z_BUF_ERROR || (status == Z_OK && all_read && stream.avail_out != 0)) {
      fail("%s: gzip data is truncated after %zu bytes; get the file again", path.c_str(), bytes.size());
    } else if (status != Z_OK) {
      fail("%s: gzip data is damaged (%s); get the file again", path.c_str(),
           stream.msg != nullptr ? stream.msg : "zlib error");
    }
  }
}

}  // namespace dng::data
