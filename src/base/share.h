// The files that belong to the program (cfg/, data/, scripts/): the share folder of an installation, or a checkout.
#pragma once

#include <string>

namespace dng {

// The running program's path.
std::string program_path();
// The folder of the project's files; "" without one.
std::string share_folder();
// A relative path below share_folder(): read_file looks there for files that the current folder does not have. "" for
// an absolute path or without such a folder.
std::string in_share(const std::string& path);

}  // namespace dng
