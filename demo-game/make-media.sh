#!/bin/sh
# Makes what the gallery shows: pictures, a tune and a film, from formulas alone. The results are
# committed; run this only to change them. Needs Debian's packages ffmpeg, flac and libjpeg-turbo-progs.
set -eu
cd "$(dirname "$0")/media"
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT
quiet="ffmpeg -hide_banner -loglevel error -nostdin -y"

# One still of the Mandelbrot set in night colours, as a JPEG that sharpens as it comes. Drawn twice as
# large and scaled down, for smooth edges.
night="format=gray,format=gbrp,lutrgb=r=clip(pow(val/255\\,1.6)*235\\,4\\,255):g=clip(pow(val/255\\,1.1)*245\\,6\\,255):b=clip(40+pow(val/255\\,0.7)*225\\,15\\,255)"
still() { # name, width, height, x, y, scale, quality
  $quiet -f lavfi -i "mandelbrot=size=$(($2 * 2))x$(($3 * 2)):start_x=$4:start_y=$5:start_scale=$6:end_scale=$6:maxiter=1500:outer=normalized_iteration_count:inner=black" \
    -vf "scale=$2:$3:flags=area,gblur=0.6,$night" -frames:v 1 "$work/still.bmp"
  cjpeg -quality "$7" -progressive -optimize "$work/still.bmp" > "$1"
}
still coast.jpg 1280 800 -0.743643887037158 0.131825904205330 0.00012 72

mkdir -p tiles
n=1
while read -r x y scale; do
  still "tiles/$(printf %02d $n).jpg" 320 200 "$x" "$y" "$scale" 60
  n=$((n + 1))
done <<PLACES
-0.75 0 1.6
-0.7453 0.1127 0.0065
-0.16 1.0405 0.026
-1.25066 0.02012 0.00017
0.2925755 0.0149977 0.005
-0.235125 0.827215 0.00004
-0.722 0.246 0.019
-1.315180982097868 0.073481649996795 0.0004
-0.0452407411 0.986816213 0.00017
0.281717921930775 0.5771052841488505 0.0005
-1.108 0.2299 0.0015
-0.745428 0.113009 0.00006
PLACES

# Sixteen seconds of plucked strings: a progression of four chords, each note a sum of decaying partials.
freq="110*pow(2\,(between(mod(t\,8)\,0\,1.999)*0+between(mod(t\,8)\,2\,3.999)*(-4)+between(mod(t\,8)\,4\,5.999)*(-7)+between(mod(t\,8)\,6\,7.999)*(-2))/12)"
step="pow(2\,(eq(mod(floor(t*4)\,4)\,0)*0+eq(mod(floor(t*4)\,4)\,1)*7+eq(mod(floor(t*4)\,4)\,2)*12+eq(mod(floor(t*4)\,4)\,3)*16)/12)"
since="(mod(t*4\,1)/4)"
note="exp(-7*$since)*(sin(2*PI*2*$freq*$step*$since)+0.4*sin(2*PI*4*$freq*$step*$since)*exp(-6*$since)+0.2*sin(2*PI*6*$freq*$step*$since)*exp(-9*$since))"
bass="0.5*sin(2*PI*$freq*mod(t\,2))*exp(-0.9*mod(t\,2))"
$quiet -f lavfi -i "aevalsrc=0.3*($note+$bass):s=22050:d=16" -c:a pcm_s16le "$work/tune.wav"
flac --silent --force --best --blocksize=1152 --no-padding --no-seektable -o tune.flac "$work/tune.wav"

# Twelve seconds of film, which end where they begin: the Julia set of a number that goes round in a circle. A group of
# pictures every half second, so that one can join at any. The lower half is the upper one turned round; some
# minutes of work.
julia="st(0,((X+0.5)/W-0.5)*3.02); st(1,((Y+0.5)/H/2-0.5)*1.7); \
  st(4,-0.79+0.025*cos(2*PI*T/12)); st(5,0.16+0.025*sin(2*PI*T/12)); st(2,0); \
  while(lt(ld(0)*ld(0)+ld(1)*ld(1),400)*lt(ld(2),64), \
    st(3,ld(0)*ld(0)-ld(1)*ld(1)+ld(4)); st(1,2*ld(0)*ld(1)+ld(5)); st(0,ld(3)); st(2,ld(2)+1)); \
  if(gte(ld(2),64), 0, 255*pow((ld(2)+1-log(log(ld(0)*ld(0)+ld(1)*ld(1))/2/log(2))/log(2))/64,0.7))"
$quiet -f lavfi -i "color=black:size=768x216:rate=20:duration=12,format=gray,geq=lum='$julia'" \
  -vf "split[top][same];[same]hflip,vflip[bottom];[top][bottom]vstack,scale=480:270:flags=area,gblur=0.5,$night" \
  -c:v libvpx -b:v 200k -g 10 -keyint_min 10 -deadline good -cpu-used 1 -an -f webm -dash 1 -cluster_time_limit 500 \
  film.webm
