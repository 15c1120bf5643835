#include "train/chart.h"

#include <algorithm>
#include <cmath>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"

namespace dng::train {
namespace {

// A column of the .csv; NaN where the field is empty.
std::vector<double> column(const std::vector<std::string>& rows, size_t index) {
  std::vector<double> values;
  for (const std::string& row : rows) {
    const std::vector<std::string> fields = split(row, ',');
    double value = std::nan("");
    if (index < fields.size()) parse_real(fields[index], &value);
    values.push_back(value);
  }
  return values;
}

struct Series {
  std::string name;
  std::vector<double> values;
  cv::Scalar colour;
};

const cv::Scalar kBlue(178, 114, 0), kOrange(0, 94, 213), kBlack(40, 40, 40), kGrey(215, 215, 215);
constexpr int kFont = cv::FONT_HERSHEY_SIMPLEX;

void text(cv::Mat* image, const std::string& words, cv::Point at, double size, const cv::Scalar& colour) {
  cv::putText(*image, words, at, kFont, size, colour, 1, cv::LINE_AA);
}

double nice_step(double span) {
  const double power = std::pow(10, std::floor(std::log10(span / 5)));
  for (const double factor : {1.0, 2.0, 5.0, 10.0}) {
    if (span / (factor * power) <= 6) return factor * power;
  }
  return power * 10;
}

// One panel: axes with ticks, and each series as a line against the epochs.
void panel(cv::Mat* image, const cv::Rect& area, const std::string& title, const std::vector<double>& epochs,
           const std::vector<Series>& all) {
  double low = 1e300, high = -1e300;
  for (const Series& series : all) {
    for (const double value : series.values) {
      if (!std::isfinite(value)) continue;
      low = std::min(low, value);
      high = std::max(high, value);
    }
  }
  if (low > high) return;
  if (high - low < 1e-9) high = low + std::max(1e-3, std::fabs(low) * 0.1);
  const double step = nice_step(high - low);
  low = std::floor(low / step) * step;
  high = std::ceil(high / step) * step;
  const double first = epochs.front(), last = std::max(epochs.back(), first + 1);
  const auto at = [&](double epoch, double value) {
    return cv::Point(area.x + static_cast<int>((epoch - first) / (last - first) * area.width),
                     area.y + area.height - static_cast<int>((value - low) / (high - low) * area.height));
  };
  text(image, title, {area.x, area.y - 14}, 0.55, kBlack);
  for (double tick = low; tick <= high + step / 2; tick += step) {
    const cv::Point left = at(first, tick);
    cv::line(*image, left, {area.x + area.width, left.y}, kGrey);
    text(image, format("%g", std::round(tick * 1e6) / 1e6), {area.x - 52, left.y + 5}, 0.45, kBlack);
  }
  const double epoch_step = std::max(1.0, nice_step(last - first));
  for (double tick = std::ceil(first); tick <= last + 1e-9; tick += epoch_step) {
    const cv::Point foot = at(tick, low);
    cv::line(*image, foot, {foot.x, foot.y + 5}, kBlack);
    text(image, format("%g", tick), {foot.x - 6, foot.y + 22}, 0.45, kBlack);
  }
  text(image, "epoch", {area.x + area.width / 2 - 20, area.y + area.height + 42}, 0.5, kBlack);
  int legend = area.x + area.width;
  for (const Series& series : all) {
    cv::Point before;
    bool drawn = false;
    for (size_t i = 0; i < epochs.size(); ++i) {
      if (!std::isfinite(series.values[i])) continue;
      const cv::Point point = at(epochs[i], series.values[i]);
      if (drawn) cv::line(*image, before, point, series.colour, 2, cv::LINE_AA);
      cv::circle(*image, point, 3, series.colour, cv::FILLED, cv::LINE_AA);
      before = point;
      drawn = true;
    }
    if (!drawn) continue;
    int baseline = 0;
    legend -= cv::getTextSize(series.name, kFont, 0.5, 1, &baseline).width + 44;
    cv::line(*image, {legend, area.y - 19}, {legend + 26, area.y - 19}, series.colour, 2, cv::LINE_AA);
    text(image, series.name, {legend + 32, area.y - 14}, 0.5, kBlack);
  }
  cv::rectangle(*image, area, kBlack);
}

}  // namespace

void draw_chart(const std::string& path, const std::string& title, const std::vector<std::string>& rows) {
  if (rows.empty()) return;
  cv::Mat image(520, 1240, CV_8UC3, cv::Scalar::all(255));
  const std::vector<double> epochs = column(rows, 0);
  text(&image, title, {80, 32}, 0.6, kBlack);
  panel(&image, {80, 90, 500, 360}, "loss (nats)", epochs,
        {{"validation CE", column(rows, 4), kOrange}, {"training cost", column(rows, 2), kBlue}});
  std::vector<double> train = column(rows, 3), valid = column(rows, 5);
  for (double& value : train) value *= 100;
  for (double& value : valid) value *= 100;
  panel(&image, {700, 90, 500, 360}, "top-1 accuracy (%)", epochs,
        {{"validation", valid, kOrange}, {"training", train, kBlue}});
  std::vector<unsigned char> png;
  cv::imencode(".png", image, png);
  write_file(path, std::string(png.begin(), png.end()));
}

}  // namespace dng::train
