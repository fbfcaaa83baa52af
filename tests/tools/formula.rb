# Runs the steps of a Homebrew formula and its test, without Homebrew: formula.rb FORMULA SOURCES PREFIX.
# What a formula calls is here as Homebrew describes it; a call that is not here is an error.
require "fileutils"
require "pathname"
require "shellwords"
require "tmpdir"

class Pathname
  def install(*sources)
    sources.each do |source|
      (source.is_a?(Hash) ? source : { source => File.basename(source) }).each do |from, to|
        mkpath
        FileUtils.mv(from, self/to)
      end
    end
  end

  def install_symlink(links)
    links.each { |from, to| FileUtils.ln_s(from, self/to) }
  end
end

class Formula
  include FileUtils
  GIVEN = {}
  attr_reader :prefix, :buildpath, :testpath

  %i[desc homepage url sha256 license].each do |field|
    define_singleton_method(field) { |value| GIVEN[field] = value }
  end
  def self.depends_on(what) = (GIVEN[:depends_on] ||= []) << what
  def self.test(&steps) = GIVEN[:test] = steps

  def initialize(sources, prefix, testpath)
    @buildpath, @prefix, @testpath = Pathname(sources), Pathname(prefix), Pathname(testpath)
  end

  def bin = prefix/"bin"
  def man = prefix/"share/man"
  def bash_completion = prefix/"etc/bash_completion.d"
  def zsh_completion = prefix/"share/zsh/site-functions"
  def fish_completion = prefix/"share/fish/vendor_completions.d"
  %w[1 5 7].each { |section| define_method("man#{section}") { man/"man#{section}" } }
  def std_cargo_args = ["--locked", "--root", prefix.to_s, "--path", "."]
  def version = GIVEN[:url][/-([0-9.]+)\.tar\.gz$/, 1]

  def system(*command)
    Kernel.system(*command.map(&:to_s)) or raise "failed: #{command.shelljoin}"
  end

  def shell_output(command)
    output = `#{command}`
    $?.success? or raise "failed: #{command}"
    output
  end

  def assert_equal(expected, found)
    expected == found or raise "#{found.inspect} is not #{expected.inspect}"
  end

  def assert_match(expected, found)
    found.include?(expected) or raise "#{found.inspect} lacks #{expected.inspect}"
  end
end

formula, sources, prefix = ARGV
load formula
missing = %i[desc homepage url sha256 license depends_on test] - Formula::GIVEN.keys
missing.empty? or abort "#{formula}: lacks #{missing.join(", ")}"
Dir.mktmpdir do |testpath|
  made = Snapshooter.new(sources, prefix, testpath)
  Dir.chdir(sources) { made.install }
  Dir.chdir(testpath) { made.instance_eval(&Formula::GIVEN[:test]) }
end
puts Formula::GIVEN.slice(:url, :sha256).values
