# Builds Snapshooter from source. `make source` fills in the address and the sum of a release.
class Snapshooter < Formula
  desc "Back up and restore a folder with small Unix filters"
  homepage "https://snapshooter.invalid"
  url "https://snapshooter.invalid/download/snapshooter-0.1.0.tar.gz"
  sha256 "0000000000000000000000000000000000000000000000000000000000000000"
  license any_of: ["MIT", "Apache-2.0"]

  depends_on "rust" => :build
  depends_on :linux

  def install
    # One executable that is every tool by the name of a link to it.
    system "cargo", "install", "--features", "multicall", "--bin", "snapshooter-all", *std_cargo_args
    mv bin/"snapshooter-all", bin/"snapshooter"
    tools = Dir["src/bin/*.rs"].map { |file| File.basename(file, ".rs") }
    (tools - ["snapshooter"]).each { |tool| bin.install_symlink "snapshooter" => tool }

    Dir["man/*.[157]"].each { |page| (man/"man#{page[-1]}").install page }

    ln_s bin/"snapshooter", buildpath/"snapshooter-all"
    system buildpath/"snapshooter-all", "--completions", "completions"
    tools.each do |tool|
      bash_completion.install "completions/#{tool}.bash" => tool
      zsh_completion.install "completions/_#{tool}"
      fish_completion.install "completions/#{tool}.fish"
    end
  end

  test do
    (testpath/"files").mkpath
    (testpath/"files/a").write "content"
    ENV["FILE_ROOT"] = (testpath/"files").to_s
    ENV["HEAP_ROOT"] = (testpath/"heap").to_s
    ENV["SNAP_ROOT"] = (testpath/"snap").to_s
    shell_output("#{bin}/snap-scan | #{bin}/snap-heapify | #{bin}/snap-write")
    shell_output("#{bin}/snap-read | #{bin}/snap-restore --file-root #{testpath}/back")
    assert_equal "content", (testpath/"back/a").read
    assert_match version.to_s, shell_output("#{bin}/snapshooter --version")
  end
end
