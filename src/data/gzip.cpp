#include "data/gzip.h"

#include <zlib.h>

#include <limits>
#include <memory>

#include "base/error.h"

namespace dng::data {
namespace {

constexpr int kGzipWindow = 15 + 16;  // largest window; 16 asks zlib for the gzip format

}  // namespace

bool is_gzip(const std::string& bytes) { return bytes.size() >= 2 && bytes[0] == '\x1f' && bytes[1] == '\x8b'; }

// Not with gzread: it takes no notice of what follows the last member, a damaged header among it.
std::string gunzip(const std::string& bytes, const std::string& path) {
  z_stream stream{};
  if (inflateInit2(&stream, kGzipWindow) != Z_OK) fail("%s: cannot be unpacked: no memory for zlib", path.c_str());
  const std::unique_ptr<z_stream, int (*)(z_stream*)> end(&stream, inflateEnd);
  if (bytes.size() > std::numeric_limits<uInt>::max()) fail("%s: too large; unpack it with gunzip", path.c_str());
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  std::string out;
  for (int status = Z_OK; status != Z_STREAM_END || stream.avail_in > 0;) {
    if (status == Z_STREAM_END) inflateReset(&stream);  // another member
    const size_t size = out.size();
    out.resize(size + (size_t{1} << 20));
    stream.next_out = reinterpret_cast<Bytef*>(&out[size]);
    stream.avail_out = static_cast<uInt>(out.size() - size);
    status = inflate(&stream, Z_NO_FLUSH);
    out.resize(out.size() - stream.avail_out);
    if (status == Z_BUF_ERROR) {
      fail("%s: gzip data is truncated after %zu bytes; get the file again", path.c_str(), bytes.size());
    }
    if (status != Z_OK && status != Z_STREAM_END) {
      fail("%s: gzip data is damaged (%s); get the file again", path.c_str(),
           stream.msg != nullptr ? stream.msg : "zlib error");
    }
  }
  return out;
}

}  // namespace dng::data
