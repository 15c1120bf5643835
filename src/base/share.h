// The files that belong to the program (cfg/, data/, scripts/): the share folder of an installation, or a checkout.
#pragma once

#include <string>

namespace dng {

// The running program's path.
std::string program_path();
// Where the project's files are; "" where there are none.
std::string share_folder();
// What a relative path means there: read_file looks there for what the current folder does not have. "" where the path
// is absolute or there is no such folder.
std::string in_share(const std::string& path);

}  // namespace dng
